//! What the doctor found, as a person and a program read it.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// The promises hold; something is near its end or unusual.
    Watch,
    /// A promise does not hold here, or the server would not start.
    Bad,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    pub verdict: Verdict,
    pub seen: String,
    pub means: String,
    /// Empty where nothing is to be done.
    #[serde(rename = "do")]
    pub advice: String,
}

#[derive(Debug, Default, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Finding {
    pub fn good(check: &'static str, seen: impl Into<String>, means: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Good, seen: seen.into(), means: means.into(), advice: String::new() }
    }

    pub fn watch(
        check: &'static str,
        seen: impl Into<String>,
        means: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let (seen, means, advice) = (seen.into(), means.into(), advice.into());
        Finding { check, verdict: Verdict::Watch, seen, means, advice }
    }

    pub fn bad(
        check: &'static str,
        seen: impl Into<String>,
        means: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding { verdict: Verdict::Bad, ..Finding::watch(check, seen, means, advice) }
    }
}

impl Report {
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// That of the worst finding.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Good)
    }

    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            let report = serde_json::json!({ "verdict": self.verdict(), "findings": self.findings });
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{}", self.text());
        }
        Ok(())
    }

    fn text(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Finding { check, verdict, seen, means, advice } in &self.findings {
            let word = verdict.word();
            text.push_str(&format!("{word:<5}  {check:<width$}  {seen}\n"));
            let indent = " ".repeat(width + 9);
            text.push_str(&format!("{indent}{means}\n"));
            if !advice.is_empty() {
                text.push_str(&format!("{indent}do: {advice}\n"));
            }
        }
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let [good, watch, bad] = [Verdict::Good, Verdict::Watch, Verdict::Bad].map(count);
        text.push_str(&format!("{} findings: {good} good, {watch} to watch, {bad} bad\n", self.findings.len()));
        text
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Watch => "watch",
            Verdict::Bad => "BAD",
        }
    }
}

/// 1536 as `1.5 KiB`.
pub fn bytes_in_words(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let step = (bytes.max(1).ilog2() / 10) as usize;
    let tenths = u128::from(bytes) * 10 / (1_u128 << (10 * step));
    if step == 0 { format!("{bytes} B") } else { format!("{}.{} {}", tenths / 10, tenths % 10, units[step]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_the_verdict_and_each_says_what_to_do() {
        let mut report = Report::default();
        assert_eq!(report.verdict(), Verdict::Good);
        report.add(Finding::good("one", "a", "b"));
        report.add(Finding::bad("other", "c", "d", "e"));
        report.add(Finding::watch("one", "f", "g", "h"));
        assert_eq!(report.verdict(), Verdict::Bad);
        let text = report.text();
        assert!(text.contains("BAD    other  c\n") && text.contains("do: e\n"), "{text}");
        assert!(text.ends_with("3 findings: 1 good, 1 to watch, 1 bad\n"), "{text}");
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        let told = [0, 1_023, 1_536, 64 << 20, u64::MAX].map(bytes_in_words);
        assert_eq!(told, ["0 B", "1023 B", "1.5 KiB", "64.0 MiB", "15.9 EiB"]);
    }
}
