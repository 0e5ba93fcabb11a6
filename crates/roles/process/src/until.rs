//! When the role ends.

/// What the role is told through its `stop` channel; it may be told more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// It works until it is told otherwise.
    #[default]
    Told,
    /// It ends once what is in the journal is applied, committed and in shape.
    Applied,
    /// It commits what it has judged, and ends; the rest waits in the journal.
    Now,
}
