//! What a CometBFT home says of metrics: the section `[instrumentation]`, in which only three keys are
//! of use here.

use toml::de::DeValue;

use super::weak;

/// Name of the section.
pub(super) const SECTION: &str = "instrumentation";

/// CometBFT's own defaults, in force where `prometheus = true` stands alone.
const LISTEN_ADDR: &str = ":26660";
const NAMESPACE: &str = "cometbft";

/// Whether figures are served, where, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instrumentation {
    /// Whether they are.
    pub(crate) prometheus: bool,
    /// `host:port`, or `:port` for every address of the machine.
    pub(crate) listen_addr: String,
    /// What stands before `_p2p_` in CometBFT's names.
    pub(crate) namespace: String,
}

impl Default for Instrumentation {
    fn default() -> Self {
        Instrumentation {
            prometheus: false,
            listen_addr: String::from(LISTEN_ADDR),
            namespace: String::from(NAMESPACE),
        }
    }
}

impl Instrumentation {
    /// Takes over a key, with notes of what is odd about its value; `None` if it is of no use here.
    ///
    /// # Errors
    /// The value is of a kind that the key cannot have.
    pub(super) fn read(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
    ) -> Option<Result<Vec<String>, String>> {
        let text = |place: &mut String| {
            let read = weak::text(value)?;
            // An empty one is the default, as for CometBFT.
            if !read.value.is_empty() {
                *place = read.value;
            }
            Ok(read.notes)
        };
        match key {
            "prometheus" => Some(weak::flag(value).map(|read| {
                self.prometheus = read.value;
                read.notes
            })),
            "prometheus_listen_addr" => Some(text(&mut self.listen_addr)),
            "namespace" => Some(text(&mut self.namespace)),
            _ => None,
        }
    }

    /// What is wrong with the namespace; a fault only where figures are served under it.
    pub(crate) fn namespace_fault(&self) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let namespace = &self.namespace;
        let is_name = namespace.bytes().all(allowed)
            && !namespace.starts_with(|first: char| first.is_ascii_digit());
        (!is_name).then(|| {
            format!(
                "{namespace:?} must be letters, digits and _, and begin with none of the digits"
            )
        })
    }
}
