//! A document: bytes that somebody else makes and keeps.
//!
//! A pure room knows what is to be kept, such as the address book, but writes no files; and
//! turning twenty thousand addresses into text takes milliseconds that no shard has to spare. So
//! it hands over a [`Document`]: a name, and the values to make the bytes from, on whatever thread.

use std::fmt;

/// Bytes to be made on another thread, and the name under which they are kept.
pub struct Document {
    name: &'static str,
    render: Box<dyn FnOnce() -> Vec<u8> + Send>,
}

impl Document {
    /// A document called `name`, whose bytes `render` makes from values it owns.
    pub fn new(name: &'static str, render: impl FnOnce() -> Vec<u8> + Send + 'static) -> Self {
        let render = Box::new(render);
        Document { name, render }
    }

    /// What it is called: a word, not a path.
    pub fn name(&self) -> &'static str {
        self.name
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
