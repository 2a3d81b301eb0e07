//! JSON as Go's `encoding/json` reads it into a struct, over text that stays where it is.
//!
//! Files of the reference are read by Go's decoder, so people and tools wrote what that takes: names
//! in any case, the last of two fields that have one name, `null` for a field that is not there, and
//! anything behind the end of the value.
//!
//! An object is read as the texts of the fields that are asked for, each a slice of the input. So one
//! field can be damaged without harm to the others, and a file of twenty thousand entries makes no
//! tree in memory.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The texts of the fields of an object, by the order of the names asked for.
pub(super) struct Object<'t, const N: usize> {
    fields: [Option<&'t RawValue>; N],
    /// Which of them are there, `null` or not.
    named: [bool; N],
    /// Whether it has no field, known or not.
    pub(super) is_empty: bool,
}

impl<'t, const N: usize> Object<'t, N> {
    /// The object at the start of `text`, whatever follows it. `null` is an object without fields.
    ///
    /// # Errors
    /// The text does not begin with an object or `null`.
    pub(super) fn read(text: &'t str, names: &[&str; N]) -> serde_json::Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        Names(names).deserialize(&mut reader)
    }

    fn without_fields() -> Self {
        Object {
            fields: [None; N],
            named: [false; N],
            is_empty: true,
        }
    }

    /// Whether a field is there, be it `null`.
    pub(super) fn has(&self, field: usize) -> bool {
        self.named[field]
    }

    /// The text of a field; none if it is not there or `null`.
    pub(super) fn raw(&self, field: usize) -> Option<&'t RawValue> {
        self.fields[field]
    }

    /// A field that is there and of this type.
    pub(super) fn get<T: Deserialize<'t>>(&self, field: usize) -> Option<T> {
        serde_json::from_str(self.raw(field)?.get()).ok()
    }
}

/// The names of the fields to be kept.
struct Names<'n, const N: usize>(&'n [&'n str; N]);

impl<'t, const N: usize> DeserializeSeed<'t> for Names<'_, N> {
    type Value = Object<'t, N>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'t, const N: usize> Visitor<'t> for Names<'_, N> {
    type Value = Object<'t, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::without_fields())
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::without_fields();
        while let Some(field) = map.next_key_seed(NameOf(self.0))? {
            object.is_empty = false;
            match field {
                Some(field) => {
                    object.fields[field] = map.next_value()?;
                    object.named[field] = true;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(object)
    }
}

/// Reads a name as its place in the list, if it is there.
struct NameOf<'n>(&'n [&'n str]);

impl<'t> DeserializeSeed<'t> for NameOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for NameOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let mut names = self.0.iter();
        Ok(names.position(|known| known.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> serde_json::Result<Object<'_, 2>> {
        Object::read(text, &["one", "two"])
    }

    #[test]
    fn fields_are_found_whatever_their_case_and_the_last_of_two_holds() {
        let object = read(r#"{"ONE": 1, "x": [{}], "two": "a", "One": 2}"#).unwrap();
        assert_eq!(object.get::<u8>(0), Some(2));
        assert_eq!(object.get::<String>(1).as_deref(), Some("a"));
        assert_eq!(object.get::<u8>(1), None, "of another type");
        assert!(!object.is_empty);
    }

    #[test]
    fn null_is_nothing_and_what_follows_the_end_is_not_looked_at() {
        let object = read(r#"{"one": null} and so on"#).unwrap();
        assert!(object.raw(0).is_none() && object.has(0) && !object.has(1));
        assert!(!object.is_empty);
        for text in ["null", "null }", "{}", " {} {"] {
            assert!(read(text).unwrap().is_empty, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [
            "",
            "[]",
            "3",
            "\"one\"",
            "{",
            "{\"one\": }",
            "{\"one\" 1}",
            "{1: 2}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
