//! Changes that travel inside notifications are signed, because every role may notify.

use std::fmt;

use sha2::{Digest, Sha256};

/// Letters of a signature in front of the change: 128 bits.
const LENGTH: usize = 32;

/// What pgbell's trigger signs with.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Key(pub(super) Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The change, if it is signed. As `pgbell.carry()` does it; the second hash keeps anybody from
    /// signing a longer text by the signature of its beginning.
    pub(super) fn opened<'a>(&self, notification: &'a str) -> Option<&'a str> {
        let (signature, change) = notification.split_at_checked(LENGTH)?;
        let inner = Sha256::new().chain_update(&self.0).chain_update(change);
        let outer = Sha256::new()
            .chain_update(&self.0)
            .chain_update(inner.finalize());
        let digest = outer.finalize();
        let bytes = digest.iter().take(LENGTH / 2);
        let expected: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        (signature == expected).then_some(change)
    }
}

/// The change in a notification, if it is signed with this key: for tests that ask anything.
#[cfg(feature = "sabotage")]
pub fn signed_change<'a>(key: &[u8], notification: &'a str) -> Option<&'a str> {
    Key(key.to_vec()).opened(notification)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_nobody_signed_is_not_opened(text: String, key: Vec<u8>) {
            prop_assert_eq!(Key(key).opened(&text), None);
        }
    }

    #[test]
    fn a_signature_is_of_one_text_and_one_key() {
        // select left(encode(sha256('key' || sha256('key{}')), 'hex'), 32)
        let signed = "34330828133d407b20d2b0db514e5bfa{}";
        assert_eq!(Key(b"key".to_vec()).opened(signed), Some("{}"));
        assert_eq!(Key(b"kez".to_vec()).opened(signed), None);
        assert_eq!(Key(b"key".to_vec()).opened(&format!("{signed} ")), None);
    }
}
