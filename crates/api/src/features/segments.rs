//! Features in the order in which they are made, as pieces of work that take a file and make another: runs of features that
//! the engine makes, and runs of features that code makes.

use gristmill_domain::features::FeatureMethod;
use gristmill_features::FeatureSpec;

use super::request::FeatureItem;

/// A feature that code makes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CodeFeature {
    pub(super) spec: FeatureSpec,
    pub(super) code: String,
    /// The column to be predicted that it uses.
    pub(super) target: Option<String>,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    /// The engine makes these. Those that learn from targets must not see held out rows.
    Native { specs: Vec<FeatureSpec>, learns_targets: bool },
    /// Code makes these.
    Code(Vec<CodeFeature>),
}

/// Divides features. Where rows are held out for targets, features that learn from those are pieces of their own: all others are
/// learned from every row, as the catalog says.
pub(super) fn segments(items: Vec<FeatureItem>, has_splits: bool) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for item in items {
        let target = item.target().map(str::to_owned);
        let FeatureItem { spec, code } = item;
        let learns = has_splits && spec.method == FeatureMethod::TargetEncode;
        match (segments.last_mut(), code) {
            (Some(Segment::Code(features)), Some(code)) => features.push(CodeFeature { spec, code, target }),
            (_, Some(code)) => segments.push(Segment::Code(vec![CodeFeature { spec, code, target }])),
            (Some(Segment::Native { specs, learns_targets }), None) if *learns_targets == learns => specs.push(spec),
            (_, None) => segments.push(Segment::Native { specs: vec![spec], learns_targets: learns }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(method: FeatureMethod, name: &str, code: Option<&str>) -> FeatureItem {
        FeatureItem { spec: FeatureSpec::new(method, "x", name), code: code.map(str::to_owned) }
    }

    fn names(segments: &[Segment]) -> Vec<String> {
        let of = |segment: &Segment| match segment {
            Segment::Native { specs, learns_targets } => {
                let names: Vec<&str> = specs.iter().map(|spec| spec.feature_name.as_str()).collect();
                format!("{}{}", names.join(","), if *learns_targets { " by targets" } else { "" })
            }
            Segment::Code(features) => {
                let names: Vec<&str> = features.iter().map(|feature| feature.spec.feature_name.as_str()).collect();
                format!("{} by code", names.join(","))
            }
        };
        segments.iter().map(of).collect()
    }

    #[test]
    fn the_order_stays_and_neighbours_go_together() {
        let items = vec![
            item(FeatureMethod::Standardize, "a", None),
            item(FeatureMethod::TargetEncode, "b", None),
            item(FeatureMethod::Standardize, "c", Some("df['c'] = 1")),
            item(FeatureMethod::Standardize, "d", Some("df['d'] = 1")),
            item(FeatureMethod::Standardize, "e", None),
        ];
        assert_eq!(names(&segments(items.clone(), false)), ["a,b", "c,d by code", "e"]);
        assert_eq!(names(&segments(items, true)), ["a", "b by targets", "c,d by code", "e"]);
    }
}
