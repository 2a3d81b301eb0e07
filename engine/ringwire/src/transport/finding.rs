//! What was found when the machine was looked at, how grave it is, and how to mend it.

/// How a finding is to be taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// The engine cannot run like this.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is to be taken.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it; empty if nothing is to be mended.
    pub mend: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(what: &'static str, found: impl ToString) -> Self {
        Finding {
            what,
            verdict: Verdict::Ok,
            found: found.to_string(),
            mend: String::new(),
        }
    }

    /// Something that is not as it should be, and how to mend it.
    pub fn not_ok(
        what: &'static str,
        verdict: Verdict,
        found: impl ToString,
        mend: impl Into<String>,
    ) -> Self {
        Finding {
            what,
            verdict,
            found: found.to_string(),
            mend: mend.into(),
        }
    }
}

/// The gravest verdict of `findings`.
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings
        .iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Ok)
}
