//! A document: bytes that somebody else makes and keeps.
//!
//! A pure room knows what is to be kept, such as the address book, but writes no files; and
//! turning twenty thousand addresses into text takes milliseconds that no shard has to spare. So
//! it hands over a [`Document`]: a name, and the values to make the bytes from, on whatever thread.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

/// Bytes to be made on another thread, and the name under which they are kept.
pub struct Document {
    name: Cow<'static, str>,
    render: Box<dyn FnOnce() -> Vec<u8> + Send>,
}

impl Document {
    /// A document called `name`, whose bytes `render` makes from values it owns.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        render: impl FnOnce() -> Vec<u8> + Send + 'static,
    ) -> Self {
        Document {
            name: name.into(),
            render: Box::new(render),
        }
    }

    /// What it is called: a word, not a path.
    pub fn name(&self) -> &Cow<'static, str> {
        &self.name
    }

    /// Makes the bytes. This may take milliseconds.
    pub fn render(self) -> Vec<u8> {
        (self.render)()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.name).finish()
    }
}

/// Which documents a node keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of them, as a simulated node does.
    All,
    /// Those of these names: there is a file for each.
    Only(BTreeSet<Cow<'static, str>>),
}

impl Kept {
    /// Whether a document of this name has a place.
    ///
    /// # Errors
    /// [`SaveError::NoFile`] if it has none.
    pub fn check(&self, document: &str) -> Result<(), SaveError> {
        match self {
            Kept::Only(names) if !names.contains(document) => Err(SaveError::NoFile {
                document: document.to_owned().into(),
            }),
            Kept::All | Kept::Only(_) => Ok(()),
        }
    }
}

/// Why a document is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The node has no file for documents of that name.
    #[error(
        "no file is known for the document \"{document}\": name one with Builder::document_file"
    )]
    NoFile {
        /// The document's name.
        document: Cow<'static, str>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_kept_only_where_there_is_a_place_for_it() {
        let some = Kept::Only(BTreeSet::from(["state".into()]));
        assert_eq!(some.check("state"), Ok(()));
        let refused = some.check("votes").expect_err("it has no file");
        let document = "votes".into();
        assert_eq!(refused, SaveError::NoFile { document });
        assert!(refused.to_string().contains("\"votes\""), "{refused}");
        assert!(Kept::Only(BTreeSet::new()).check("votes").is_err());
        assert_eq!(Kept::All.check("votes"), Ok(()));
    }
}
