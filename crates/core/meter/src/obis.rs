//! OBIS codes `A-B:C.D.E*F` (IEC 62056-61; EN 13757-1), the names of registers.

/// The six value groups; 255 stands for a group the source left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obis(pub [u8; 6]);

/// A text that is no OBIS code, its first 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an OBIS code such as 1-0:1.8.0")]
pub struct ObisError(String);

const ABSENT: u8 = 255;

impl Obis {
    /// Reads `1-0:1.8.0`, `1-0:1.8.0*255`, `1.8.0` and `1.8.0.255` forms.
    pub fn parse(text: &str) -> Result<Obis, ObisError> {
        Self::groups(text).ok_or_else(|| ObisError(text.chars().take(40).collect()))
    }

    fn groups(text: &str) -> Option<Obis> {
        let mut groups = [ABSENT; 6];
        let (medium, rest) = text.split_once(':').map_or((None, text), |(m, r)| (Some(m), r));
        if let Some(medium) = medium {
            let (a, b) = medium.split_once('-')?;
            groups[0] = a.parse().ok()?;
            groups[1] = b.parse().ok()?;
        }
        let (rest, f) = rest.split_once('*').map_or((rest, None), |(r, f)| (r, Some(f)));
        if let Some(f) = f {
            groups[5] = f.parse().ok()?;
        }
        let mut parts = rest.split('.');
        groups[2] = parts.next()?.parse().ok()?;
        groups[3] = parts.next()?.parse().ok()?;
        if let Some(e) = parts.next() {
            groups[4] = e.parse().ok()?;
        }
        if let Some(storage) = parts.next() {
            if f.is_some() {
                return None;
            }
            groups[5] = storage.parse().ok()?;
        }
        if parts.next().is_some() {
            return None;
        }
        Some(Obis(groups))
    }
}

impl std::fmt::Display for Obis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, storage] = self.0;
        if (a, b) != (ABSENT, ABSENT) {
            write!(f, "{a}-{b}:")?;
        }
        write!(f, "{c}.{d}")?;
        if e != ABSENT {
            write!(f, ".{e}")?;
        }
        if storage != ABSENT {
            write!(f, "*{storage}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read_and_printed() {
        for (text, printed) in [
            ("1-0:1.8.0", "1-0:1.8.0"),
            ("1-0:1.8.0*255", "1-0:1.8.0"),
            ("1.8.0", "1.8.0"),
            ("7-0:3.0.0*4", "7-0:3.0.0*4"),
            ("1-65:1.29.99", "1-65:1.29.99"),
        ] {
            assert_eq!(Obis::parse(text).map(|o| o.to_string()).as_deref(), Ok(printed));
        }
    }

    #[test]
    fn what_is_no_obis_code_is_refused() {
        for text in ["", "E1", "1-0:1", "1:1.8.0", "1-0:1.8.0.1.2", "1-0:256.8.0", "1.8.0.1*2"] {
            assert!(Obis::parse(text).is_err(), "{text}");
        }
    }
}
