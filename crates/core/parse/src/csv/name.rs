//! What a profile is called: `csv/acme@3?unit=kWh&zone=Europe/Dublin`.
//!
//! Promise: the same text is always taken apart the same way. A profile that is
//! built in has no version; one of somebody's own has a version in the journal.

use super::mapping::{BUILT_IN_NAMES, PREFIX, ProfileError};

/// `acme` and such.
pub const PROFILE_NAME_BYTES_MAX: usize = 40;

/// The parts of a name; what they name need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileName<'a> {
    /// Without `csv/`.
    pub plain: &'a str,
    /// The newest, where none is said.
    pub version: Option<u32>,
    /// Without the question mark; empty where there is none.
    pub options: &'a str,
}

impl<'a> ProfileName<'a> {
    /// Takes a name apart; fails where no profile can be called so.
    pub fn parse(name: &'a str) -> Result<ProfileName<'a>, ProfileError> {
        let wrong = || ProfileError::Name { name: name.chars().take(60).collect() };
        let rest = name.strip_prefix(PREFIX).ok_or_else(wrong)?;
        let (called, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (plain, version) = called.split_once('@').map_or((called, None), |(plain, version)| (plain, Some(version)));
        let is_plain = |digits: &&str| digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let version = match version {
            None => None,
            Some(digits) => {
                Some(Some(digits).filter(is_plain).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?)
            }
        };
        check(plain)?;
        Ok(ProfileName { plain, version, options })
    }

    /// Whether the binary has one of that name.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN_NAMES.contains(&self.plain)
    }

    /// The whole name, of a version.
    pub fn at(&self, version: u32) -> String {
        let question = if self.options.is_empty() { "" } else { "?" };
        format!("{PREFIX}{}@{version}{question}{}", self.plain, self.options)
    }
}

/// Whether a profile may be called so: letters, digits and hyphens, as in a URL and a shell.
pub fn check(plain: &str) -> Result<(), ProfileError> {
    let is_known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_good = (1..=PROFILE_NAME_BYTES_MAX).contains(&plain.len()) && plain.bytes().all(is_known);
    // `/v1/profiles/test` is something else.
    if !is_good || plain.starts_with('-') || plain == "test" {
        return Err(ProfileError::Name { name: plain.chars().take(60).collect() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_and_put_together() {
        let name = ProfileName::parse("csv/acme-2@3?unit=kWh&zone=Europe/Dublin").expect("a name");
        assert_eq!(name, ProfileName { plain: "acme-2", version: Some(3), options: "unit=kWh&zone=Europe/Dublin" });
        assert_eq!(name.at(4), "csv/acme-2@4?unit=kWh&zone=Europe/Dublin");
        assert_eq!(ProfileName::parse("csv/acme").expect("a name").at(1), "csv/acme@1");
        assert!(ProfileName::parse("csv/esb-hdf?unit=kWh").expect("a name").is_built_in());
    }

    #[test]
    fn what_no_profile_can_be_called_is_refused() {
        for bad in [
            "acme",
            "csv/",
            "csv/-a",
            "csv/A",
            "csv/ä",
            "csv/a b",
            "csv/a@",
            "csv/a@0",
            "csv/a@01",
            "csv/a@+1",
            "csv/a@1@2",
            "csv/test",
        ] {
            assert!(matches!(ProfileName::parse(bad), Err(ProfileError::Name { .. })), "{bad}");
        }
        assert!(ProfileName::parse(&format!("csv/{}", "a".repeat(41))).is_err());
        assert!(ProfileName::parse("csv/a@99999999999").is_err());
    }
}
