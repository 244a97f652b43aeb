//! Passwords that nobody has to think of, and that no server has to be told.

use postgres_protocol::password::scram_sha_256;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// Of 64 letters that stand in a URL as they are; each has six bits.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LENGTH: usize = 32;

/// A password that cannot be guessed; `None` where the system gives nothing random.
pub fn new_password() -> Option<String> {
    let mut random = [0; LENGTH];
    let source = aws_lc_rs::default_provider().secure_random;
    source.fill(&mut random).ok()?;
    let letters = random.map(|byte| char::from(LETTERS[usize::from(byte & 63)]));
    Some(letters.iter().collect())
}

/// What a server keeps instead of the password: it can tell who knows the password, and does not know
/// it itself. So it may stand in a statement, which servers log.
pub fn verifier(password: &str) -> String {
    scram_sha_256(password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_all_different_and_absent_from_their_verifiers() {
        let passwords: std::collections::BTreeSet<_> =
            (0..100).filter_map(|_| new_password()).collect();
        assert_eq!(passwords.len(), 100);
        for password in passwords.iter().take(3) {
            assert_eq!(password.len(), LENGTH);
            assert_eq!(LETTERS.len(), 64);
            let verifier = verifier(password);
            assert!(verifier.starts_with("SCRAM-SHA-256$") && !verifier.contains(password));
            assert!(!verifier.contains(['\'', '\\']));
        }
    }
}
