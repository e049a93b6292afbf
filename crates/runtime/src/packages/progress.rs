//! How far an installation is, told from what pip says.

/// Which of the installer's two steps speaks: what is needed is found first, then fetched and installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Resolve,
    Install,
}

/// pip's words, how far they mean it is, and what people read.
const MARKS: [(&str, u8, &str); 9] = [
    ("successfully installed", 100, "Installed"),
    ("successfully built", 95, "Built"),
    ("already satisfied", 92, "Already installed"),
    ("installing collected", 85, "Installing"),
    ("building wheel", 60, "Building"),
    ("metadata", 55, "Reading metadata"),
    ("build dependencies", 45, "Installing what the build needs"),
    ("downloading", 35, "Downloading"),
    ("collecting", 15, "Collecting"),
];
/// Lines after which the work is over: the search for what is needed says so of each package that is there.
const FINAL_FROM: u8 = 92;

/// The bar. It only rises.
#[derive(Debug)]
pub(super) struct Progress {
    value: u8,
}

impl Progress {
    /// At its start.
    pub(super) fn new() -> Self {
        Self { value: 8 }
    }

    /// Where it is.
    pub(super) fn value(&self) -> u8 {
        self.value
    }

    /// Takes a line: the new value and stage, when it rose. The end of the bar is kept for [`Self::succeeded`]: what pip
    /// installed has still to be taken over.
    pub(super) fn line(&mut self, line: &str, phase: Phase) -> Option<(u8, &'static str)> {
        let line = line.to_lowercase();
        // "Downloading x.whl.metadata" is a download.
        let found = MARKS
            .iter()
            .filter(|(_, value, _)| phase == Phase::Install || *value < FINAL_FROM)
            .find(|(words, ..)| if *words == "metadata" { line.contains(" metadata") } else { line.contains(words) });
        let (_, value, stage) = found?;
        (*value > self.value && *value < 100).then(|| {
            self.value = *value;
            (*value, *stage)
        })
    }

    /// Takes the clean end of the installer.
    pub(super) fn ended(&mut self) -> Option<(u8, &'static str)> {
        (self.value < 95).then(|| {
            self.value = 95;
            (95, "Finishing")
        })
    }

    /// Takes success: the bar is full.
    pub(super) fn succeeded(&mut self) -> Option<(u8, &'static str)> {
        (self.value < 100).then(|| {
            self.value = 100;
            (100, "Done")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_with_what_pip_says_and_never_falls() {
        let mut progress = Progress::new();
        for (line, phase, expected) in [
            ("Collecting humanize", Phase::Resolve, Some(15)),
            ("Requirement already satisfied: numpy", Phase::Resolve, None),
            ("  Downloading humanize-4.15.0-py3-none-any.whl.metadata (7.8 kB)", Phase::Resolve, Some(35)),
            ("Collecting humanize", Phase::Install, None),
            ("  Preparing metadata (pyproject.toml): started", Phase::Install, Some(55)),
            ("Installing build dependencies: started", Phase::Install, None),
            ("Building wheel for x (pyproject.toml): started", Phase::Install, Some(60)),
            ("Installing collected packages: humanize", Phase::Install, Some(85)),
            ("Successfully installed humanize-4.15.0", Phase::Install, None),
        ] {
            assert_eq!(progress.line(line, phase).map(|(value, _)| value), expected, "{line}");
        }
        assert_eq!(progress.ended().map(|(value, _)| value), Some(95));
        assert_eq!(progress.ended(), None);
        assert_eq!(progress.succeeded().map(|(value, _)| value), Some(100));
        assert_eq!(progress.succeeded(), None);
    }
}
