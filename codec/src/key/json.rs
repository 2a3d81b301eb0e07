//! The text of `node_key.json`.
//!
//! ```text
//! {"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"<base64 of seed ‖ public key>"}}
//! ```
//!
//! The 64 bytes hold the public key beside the seed it grows from. A file whose halves disagree has
//! been damaged or tampered with, so it is refused rather than half believed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::pair::{NodeKey, PUBLIC_KEY_BYTES, SEED_BYTES};

/// The only key type a node may have.
pub const KEY_TYPE: &str = "tendermint/PrivKeyEd25519";

/// The longest text that is read, in bytes. A real one has under 200.
pub const KEY_JSON_MAX: usize = 4096;

const KEY_BYTES: usize = SEED_BYTES + PUBLIC_KEY_BYTES;

/// Base64 of [`KEY_BYTES`] with its padding.
const KEY_CHARS: usize = KEY_BYTES.div_ceil(3) * 4;

/// What `decode_slice` asks for: three bytes for each four characters, padding counted.
const KEY_DECODE_BYTES: usize = KEY_CHARS / 4 * 3;

/// Why a text is not a node key. No variant carries any of the text: it may hold the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFormatError {
    /// The text is longer than [`KEY_JSON_MAX`].
    #[error("the node key text is longer than {KEY_JSON_MAX} bytes")]
    TooLong,
    /// The text is not the JSON object that is expected.
    #[error(
        "not the JSON of a node key, {{\"priv_key\":{{\"type\":..,\"value\":..}}}}: \
         fault at line {line} column {column}"
    )]
    Json {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
    /// `priv_key.type` names another kind of key.
    #[error("priv_key.type must be \"{KEY_TYPE}\"")]
    WrongType,
    /// `priv_key.value` is not the base64 of 64 bytes.
    #[error("priv_key.value must be the base64 of {KEY_BYTES} bytes ({KEY_CHARS} characters)")]
    WrongValue,
    /// The public key in the text does not grow from the seed beside it.
    #[error("priv_key.value is damaged: its public key does not belong to its private key")]
    PublicKeyMismatch,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    priv_key: TypedKey<'a>,
}

/// Borrowed fields keep the secret in the one buffer that gets wiped. So escapes are taken out before
/// the text is read ([`unescaped`]).
#[derive(Deserialize)]
struct TypedKey<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    value: &'a str,
}

impl NodeKey {
    /// The text of `node_key.json` for this key; wiped on drop.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        bytes[..SEED_BYTES].copy_from_slice(self.seed());
        bytes[SEED_BYTES..].copy_from_slice(self.public_key().as_bytes());
        let value = Zeroizing::new(STANDARD.encode(*bytes));
        Zeroizing::new(format!(
            "{{\"priv_key\":{{\"type\":\"{KEY_TYPE}\",\"value\":\"{}\"}}}}",
            value.as_str()
        ))
    }

    /// Reads the text of `node_key.json`.
    ///
    /// # Errors
    /// A [`KeyFormatError`] that names the field and the rule it breaks.
    pub fn from_json(text: &[u8]) -> Result<Self, KeyFormatError> {
        if text.len() > KEY_JSON_MAX {
            return Err(KeyFormatError::TooLong);
        }
        let text = unescaped(text);
        let document: Document<'_> =
            serde_json::from_slice(&text).map_err(|e| KeyFormatError::Json {
                line: e.line(),
                column: e.column(),
            })?;
        let TypedKey { kind, value } = document.priv_key;
        if kind != KEY_TYPE {
            return Err(KeyFormatError::WrongType);
        }
        Self::from_base64(value)
    }

    fn from_base64(value: &str) -> Result<Self, KeyFormatError> {
        if value.len() != KEY_CHARS {
            return Err(KeyFormatError::WrongValue);
        }
        let mut bytes = Zeroizing::new([0; KEY_DECODE_BYTES]);
        let len = STANDARD
            .decode_slice(value, bytes.as_mut_slice())
            .map_err(|_| KeyFormatError::WrongValue)?;
        if len != KEY_BYTES {
            return Err(KeyFormatError::WrongValue);
        }
        let (seed, public) = bytes[..KEY_BYTES].split_at(SEED_BYTES);
        let key = Self::from_seed(seed.try_into().expect("split at the length of a seed"));
        if key.public_key().as_bytes() != public {
            return Err(KeyFormatError::PublicKeyMismatch);
        }
        Ok(key)
    }
}

/// The same JSON with the escapes taken out that a character need not have: some writers put `\/` or
/// `\u003d` where a key has `/` or `=`. Escapes of anything else stay. Wiped on drop.
fn unescaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    // Escapes are longer than what they mean, so this never grows and leaves no copy behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut rest, mut in_string) = (text, false);
    while let Some(&byte) = rest.first() {
        let is_escape = in_string && byte == b'\\';
        let read = match meaning(rest).filter(|_| is_escape) {
            Some((meant, read)) => {
                plain.push(meant);
                read
            }
            None => {
                // An escape that stays keeps its second byte: that may be a quote which ends nothing.
                let copied = rest.len().min(1 + usize::from(is_escape));
                plain.extend_from_slice(&rest[..copied]);
                copied
            }
        };
        in_string ^= byte == b'"';
        rest = &rest[read..];
    }
    plain
}

/// The character that the escape at the start of `text` means, and the bytes of the escape; none if
/// it is not one that may be left out.
fn meaning(text: &[u8]) -> Option<(u8, usize)> {
    match text.get(1)? {
        b'/' => Some((b'/', 2)),
        b'u' => {
            let code = u8::try_from(hex_code(text.get(2..6)?)?).ok()?;
            let is_plain = matches!(code, b' '..=b'~') && !matches!(code, b'"' | b'\\');
            is_plain.then_some((code, 6))
        }
        _ => None,
    }
}

fn hex_code(digits: &[u8]) -> Option<u16> {
    let mut code = [0; 2];
    hex::decode_to_slice(digits, &mut code).ok()?;
    Some(u16::from_be_bytes(code))
}

/// Fuzz entry: any bytes either are refused or hold a key that survives a round trip.
#[doc(hidden)]
pub fn fuzz_node_key_json(bytes: &[u8]) {
    if let Ok(key) = NodeKey::from_json(bytes) {
        let again = NodeKey::from_json(key.to_json().as_bytes()).map(|key| key.id());
        assert_eq!(again, Ok(key.id()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: &str, value: &str) -> String {
        format!(r#"{{"priv_key":{{"type":"{kind}","value":"{value}"}}}}"#)
    }

    fn value_of(key: &NodeKey) -> String {
        let json = key.to_json();
        json.split('"').nth(9).unwrap().to_owned()
    }

    #[test]
    fn the_text_is_the_one_cometbft_writes() {
        let key = NodeKey::from_seed([0xa1; 32]);
        let mut bytes = vec![0xa1; 32];
        bytes.extend_from_slice(key.public_key().as_bytes());
        assert_eq!(*key.to_json(), document(KEY_TYPE, &STANDARD.encode(bytes)));
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = NodeKey::from_seed([7; 32]);
        let again = NodeKey::from_json(key.to_json().as_bytes()).unwrap();
        assert_eq!(again.id(), key.id());
        assert_eq!(again.sign(b"x"), key.sign(b"x"));
    }

    #[test]
    fn spaces_newlines_and_unknown_fields_are_fine() {
        let value = value_of(&NodeKey::from_seed([7; 32]));
        let text = format!(
            "{{\n \"id\": \"x\",\n \"priv_key\": {{ \"value\": \"{value}\", \"type\": \"{KEY_TYPE}\" }}\n}}\n"
        );
        assert!(NodeKey::from_json(text.as_bytes()).is_ok());
    }

    #[test]
    fn escapes_that_other_writers_of_json_put_mean_the_same_key() {
        // A key whose base64 has both of the characters that writers escape.
        let key = (0..=u8::MAX)
            .map(|byte| NodeKey::from_seed([byte; 32]))
            .find(|key| value_of(key).contains('/'))
            .expect("one in two has a slash");
        let text = key.to_json().to_string();
        for escaped in [
            text.replace('/', "\\/"),
            text.replace('=', "\\u003d"),
            text.replace('=', "\\u003D").replace('/', "\\u002f"),
            text.replace("priv_key", "\\u0070riv_key"),
            format!(r#"{{"note":"a \"quote\" and \\","p":1,{}"#, &text[1..]),
        ] {
            assert_ne!(escaped, text);
            let read = NodeKey::from_json(escaped.as_bytes()).map(|key| key.id());
            assert_eq!(read, Ok(key.id()), "{escaped}");
        }
    }

    #[test]
    fn escapes_outside_of_strings_and_broken_ones_stay_faults() {
        let text = NodeKey::from_seed([7; 32]).to_json().to_string();
        for broken in [
            text.replace("{\"priv", "\\u007b\"priv"),
            text.replace('=', "\\u00"),
            text.replace('=', "\\u0022"),
            text.replace('=', "\\x"),
            format!("{text}\\"),
        ] {
            assert!(NodeKey::from_json(broken.as_bytes()).is_err(), "{broken}");
        }
        for end in 0..7 {
            assert_eq!(*unescaped(&br#""\u003d"#[..end]), br#""\u003d"#[..end][..]);
        }
    }

    #[test]
    fn each_fault_of_the_text_is_named() {
        let value = value_of(&NodeKey::from_seed([7; 32]));
        let refused = |text: &str| NodeKey::from_json(text.as_bytes()).unwrap_err();
        assert!(matches!(refused(""), KeyFormatError::Json { .. }));
        assert_eq!(refused("{\n]"), KeyFormatError::Json { line: 2, column: 1 });
        assert!(matches!(refused("{}"), KeyFormatError::Json { .. }));
        assert_eq!(refused(&document("x", &value)), KeyFormatError::WrongType);
        assert_eq!(refused(&document(KEY_TYPE, "")), KeyFormatError::WrongValue);
        assert_eq!(
            refused(&document(KEY_TYPE, &value[4..])),
            KeyFormatError::WrongValue
        );
        let stars = "*".repeat(KEY_CHARS);
        assert_eq!(
            refused(&document(KEY_TYPE, &stars)),
            KeyFormatError::WrongValue
        );
        let longer = STANDARD.encode([7; 66]);
        assert_eq!(longer.len(), KEY_CHARS);
        assert_eq!(
            refused(&document(KEY_TYPE, &longer)),
            KeyFormatError::WrongValue
        );
    }

    #[test]
    fn halves_that_disagree_are_refused() {
        let mut bytes = [0; KEY_BYTES];
        bytes[..32].copy_from_slice(&[7; 32]);
        bytes[32..].copy_from_slice(NodeKey::from_seed([8; 32]).public_key().as_bytes());
        let text = document(KEY_TYPE, &STANDARD.encode(bytes));
        let refused = NodeKey::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(refused, KeyFormatError::PublicKeyMismatch);
    }

    #[test]
    fn a_text_at_the_limit_is_read_and_one_byte_more_is_not() {
        let mut text = NodeKey::from_seed([7; 32]).to_json().as_bytes().to_vec();
        text.resize(KEY_JSON_MAX, b' ');
        assert!(NodeKey::from_json(&text).is_ok());
        text.push(b' ');
        assert_eq!(
            NodeKey::from_json(&text).unwrap_err(),
            KeyFormatError::TooLong
        );
    }

    #[test]
    fn fuzz_entry_holds_on_a_few_inputs() {
        let text = NodeKey::from_seed([7; 32]).to_json();
        for end in 0..=text.len() {
            fuzz_node_key_json(&text.as_bytes()[..end]);
        }
    }
}
