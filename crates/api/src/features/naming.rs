//! What a dataset with features is called (contract 2, section 8.2).

use chrono::{DateTime, Utc};
use gristmill_domain::datasets::FileType;

/// Longest name without its extension, characters.
const STEM_CHARS_MAX: usize = 80;

/// The format in which the new dataset can be downloaded: as asked, else as the names say, else CSV.
pub(super) fn format(asked: Option<FileType>, output_name: Option<&str>, source_name: &str) -> FileType {
    let by_name = |name: &str| FileType::from_name(&split(name).1.to_ascii_lowercase());
    // The name that was asked for decides when it has an extension at all.
    let named = output_name.filter(|name| !split(name).1.is_empty()).unwrap_or(source_name);
    asked.or_else(|| by_name(named)).unwrap_or(FileType::Csv)
}

/// Its display name.
pub(super) fn filename(output_name: Option<&str>, source_name: &str, format: FileType, now: DateTime<Utc>) -> String {
    let stem = output_name.map(|name| plain(split(name).0)).filter(|stem| !stem.is_empty());
    let stem = stem.unwrap_or_else(|| {
        // What tells it from others of this source comes last, and must not be cut off.
        let suffix = format!("_features_{}", now.timestamp_millis());
        let base: String = plain(split(source_name).0).chars().take(STEM_CHARS_MAX.saturating_sub(suffix.len())).collect();
        format!("{}{suffix}", if base.is_empty() { "dataset" } else { &base })
    });
    format!("{stem}.{}", format.as_str())
}

/// A name and its extension, without the dot. A dot at the beginning is none, nor is one before a separator.
fn split(name: &str) -> (&str, &str) {
    let is_extension = |(stem, end): &(&str, &str)| !stem.is_empty() && !end.contains(['/', '\\']);
    name.trim().rsplit_once('.').filter(is_extension).unwrap_or((name.trim(), ""))
}

fn plain(stem: &str) -> String {
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    plain.trim_start_matches('_').chars().take(STEM_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_123).unwrap()
    }

    #[test]
    fn names_are_plain_and_bounded() {
        for (output, source, expected) in [
            (Some("My Features.csv"), "a.csv", "My_Features.csv"),
            (Some("__x"), "a.csv", "x.csv"),
            (Some("../../etc/passwd"), "a.csv", "etc_passwd.csv"),
            (Some("v1.2-final"), "a.csv", "v1.csv"),
            (Some("émile"), "a.csv", "mile.csv"),
            (Some("日本"), "sales 2024.xlsx", "sales_2024_features_1700000000123.csv"),
            (None, "sales 2024.xlsx", "sales_2024_features_1700000000123.csv"),
            (None, "___.csv", "dataset_features_1700000000123.csv"),
            (Some(""), ".hidden", "hidden_features_1700000000123.csv"),
        ] {
            assert_eq!(filename(output, source, FileType::Csv, now()), expected, "{output:?} {source:?}");
        }
        let long = filename(Some(&"x".repeat(300)), "a.csv", FileType::Json, now());
        assert_eq!(long, format!("{}.json", "x".repeat(80)));
        let long = filename(None, &"x".repeat(300), FileType::Xlsx, now());
        assert!(long.ends_with("x_features_1700000000123.xlsx") && long.len() == 80 + 5, "{long}");
    }

    #[test]
    fn formats_follow_what_is_asked_then_the_names() {
        for (asked, output, source, expected) in [
            (Some(FileType::Json), Some("a.xlsx"), "a.csv", FileType::Json),
            (None, Some("a.XLSX"), "a.csv", FileType::Xlsx),
            (None, Some("a"), "a.json", FileType::Json),
            (None, None, "a.xlsx", FileType::Xlsx),
            (None, Some("a.tsv"), "a.json", FileType::Csv),
            (None, None, "a.tsv", FileType::Csv),
            (None, None, "a", FileType::Csv),
        ] {
            assert_eq!(format(asked, output, source), expected, "{asked:?} {output:?} {source:?}");
        }
    }
}
