//! Ids that are named by their beginning.

use ringwire_codec::NodeId;

/// Digits of an id that are enough to name one of those that are known.
const DIGITS_MIN: usize = 4;

/// The one of `ids` that begins so; `whose` says what they are: "peer that is connected".
///
/// # Errors
/// None does, or more than one, or it is no beginning of an id.
pub(super) fn one_that_begins(
    ids: impl Iterator<Item = NodeId>,
    beginning: &str,
    whose: &str,
) -> Result<NodeId, String> {
    let beginning = beginning.to_lowercase();
    let is_hex = beginning.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || beginning.len() < DIGITS_MIN {
        return Err(format!(
            "{beginning:?} is no id: at least {DIGITS_MIN} of its hexadecimal digits are needed"
        ));
    }
    let mut found = ids.filter(|id| id.to_string().starts_with(&beginning));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(format!(
            "more than one {whose} has an id that begins with {beginning}"
        )),
        (None, _) => Err(format!("no {whose} has an id that begins with {beginning}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, second: u8) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&[first, second]);
        NodeId::from_bytes(bytes)
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_it_is_one_peers() {
        let ids = || [id(0xab, 0x01), id(0xab, 0x02)].into_iter();
        assert_eq!(one_that_begins(ids(), "AB01", "peer"), Ok(id(0xab, 0x01)));
        let told =
            |beginning| one_that_begins(ids(), beginning, "peer").expect_err("not one peer's");
        assert!(told("ab0").contains("at least 4"));
        assert!(told("ab03").contains("no peer has an id that begins with ab03"));
        assert!(told("xyz1").contains("is no id"));
        let twins = [id(0xab, 0x01); 2].into_iter();
        assert!(one_that_begins(twins, "ab01", "peer").is_err());
    }
}
