//! What binds a login to the certificate of a connection: `tls-server-end-point` of RFC 5929.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;

/// PKCS #1, up to the number of the algorithm.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// ANSI X9.62, signatures.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The hash of a certificate by the algorithm of its own signature, as the server computes it. `None`
/// where the RFC names no hash: Ed25519 has none, and servers before 16 find none for RSA-PSS.
pub(super) fn binding(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_algorithm(certificate)?;
    let hash = match (algorithm.strip_prefix(RSA), algorithm.strip_prefix(ECDSA)) {
        // MD5 and SHA-1 are replaced by SHA-256.
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Sha256::digest(certificate).to_vec(),
        (Some([14]), _) | (_, Some([3, 1])) => Sha224::digest(certificate).to_vec(),
        (Some([12]), _) | (_, Some([3, 3])) => Sha384::digest(certificate).to_vec(),
        (Some([13]), _) | (_, Some([3, 4])) => Sha512::digest(certificate).to_vec(),
        _ => return None,
    };
    Some(hash)
}

/// `Certificate ::= SEQUENCE { tbsCertificate, SEQUENCE { algorithm OBJECT IDENTIFIER, … }, … }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (fields, _) = value(SEQUENCE, certificate)?;
    let (_, after_signed) = value(SEQUENCE, fields)?;
    let (algorithm, _) = value(SEQUENCE, after_signed)?;
    let (id, _) = value(OBJECT_ID, algorithm)?;
    Some(id)
}

/// The value of the first element, which must have this tag, and what follows it.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = length(rest)?;
    let fits = *first == tag && length <= rest.len();
    fits.then(|| rest.split_at(length))
}

fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    // No certificate is longer than three bytes can say.
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 3 || count > rest.len() {
        return None;
    }
    let (digits, rest) = rest.split_at(count);
    let length = digits
        .iter()
        .fold(0, |length, digit| length << 8 | usize::from(*digit));
    Some((length, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature_and_absent_where_there_is_none() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ECDSA_P521_SHA512, Some(64)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let certificate = CertificateParams::default().self_signed(&key);
            let certificate = certificate.expect("a certificate");
            let hash = binding(certificate.der());
            assert_eq!(hash.map(|hash| hash.len()), length, "{algorithm:?}");
        }
    }

    #[test]
    fn weak_hashes_are_replaced() {
        // A certificate of two empty parts, signed with sha1WithRSAEncryption.
        let sha1 = [RSA, &[5]].concat();
        let id = [&[OBJECT_ID, 9], sha1.as_slice()].concat();
        let certificate = [&[SEQUENCE, 15, SEQUENCE, 0, SEQUENCE, 11], id.as_slice()].concat();
        assert_eq!(
            binding(&certificate),
            Some(Sha256::digest(&certificate).to_vec())
        );
    }

    proptest! {
        #[test]
        fn whatever_a_server_calls_its_certificate_is_survived(der: Vec<u8>, depth in 0_usize..4) {
            let nested = (0..depth).fold(der, |inner, _| {
                let length = u16::try_from(inner.len()).unwrap_or(u16::MAX).to_be_bytes();
                [&[SEQUENCE, 0x82], length.as_slice(), &inner].concat()
            });
            let _ = binding(&nested);
        }
    }
}
