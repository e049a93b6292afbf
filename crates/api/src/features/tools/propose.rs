//! `propose_feature`: a feature that could be made of the dataset as it is.

use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType, Dataset},
    feature_runs::{
        FeatureCommand, FeatureImpact, FeatureProposal, FeatureRun, FeatureStatus, FeatureStep, NAME_CHARS_MAX, TEXT_CHARS_MAX,
        is_placeholder,
    },
    features::FeatureMethod,
    identifiers::{is_identifier, is_identifier_name},
};
use gristmill_features::{FeatureSpec, plan};
use gristmill_workflow::tools::{
    args::features::{ImpactArg, ProposeFeatureArgs},
    registry,
};
use serde_json::{Value, json};

use super::{Call, plain, plain_or_none, refused};
use crate::agent::Failure;

/// Most columns of a dataset that are named when one is missing.
const NAMED_MAX: usize = 40;
/// Most columns that a feature is made from.
const SOURCES_MAX: usize = 50;
/// Longest parameters, characters of their JSON.
const PARAMS_CHARS_MAX: usize = 10_000;

pub(super) async fn propose(call: &Call<'_>) -> Result<Value, Failure> {
    let args: ProposeFeatureArgs = registry::parse(call.args)?;
    let id = feature_id(call, args.feature_id.as_deref())?;
    if let Some(run) = call.earlier().await? {
        return answer(&run, &id);
    }
    let method = args.method;
    let proposal = proposal(id, args)?;
    let (dataset, run) = (call.known_dataset().await?, call.run().await?);
    check_name(&proposal, &dataset, &run)?;
    check_sources(method, &proposal, &dataset, &run)?;
    check_method(method, &proposal, &dataset, &run)?;
    let id = proposal.feature_id.clone();
    let run = call.change(FeatureCommand::Propose(Box::new(proposal))).await?;
    answer(&run, &id)
}

/// The id that was given, else one that is the same when the call is repeated.
fn feature_id(call: &Call<'_>, given: Option<&str>) -> Result<String, Failure> {
    let Some(given) = given.map(str::trim).filter(|given| !given.is_empty()) else {
        let digits: String = call.context.derived_id("feature").simple().to_string().chars().take(12).collect();
        return Ok(format!("feat-{digits}"));
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if given.len() <= NAME_CHARS_MAX && given.chars().all(is_plain) {
        return Ok(given.to_owned());
    }
    Err(Failure::new(format!("A featureId has at most {NAME_CHARS_MAX} letters, digits and . _ : - only; or leave it out")))
}

fn proposal(feature_id: String, args: ProposeFeatureArgs) -> Result<FeatureProposal, Failure> {
    let name = args.feature_name.trim().to_owned();
    if is_placeholder(&name) || name.chars().any(char::is_control) || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::new(format!("\"{}\" is no name for a column; choose one that says what it is", plain(&name, 100))));
    }
    let params = args.params.unwrap_or_default();
    if Value::Object(params.clone()).to_string().chars().count() > PARAMS_CHARS_MAX {
        return Err(Failure::new(format!("params has more than {PARAMS_CHARS_MAX} characters; give less")));
    }
    let mut source_columns: Vec<String> = Vec::new();
    for column in args.source_columns.unwrap_or_default() {
        if !source_columns.contains(&column) {
            source_columns.push(column);
        }
    }
    if source_columns.len() > SOURCES_MAX {
        return Err(Failure::new(format!("A feature is made from at most {SOURCES_MAX} columns")));
    }
    Ok(FeatureProposal {
        feature_id,
        name,
        method: args.method.as_str().to_owned(),
        rationale: plain_or_none(Some(&args.rationale), TEXT_CHARS_MAX),
        source_columns,
        params,
        impact: args.impact.map(|impact| match impact {
            ImpactArg::High => FeatureImpact::High,
            ImpactArg::Medium => FeatureImpact::Medium,
            ImpactArg::Low => FeatureImpact::Low,
        }),
    })
}

fn check_name(proposal: &FeatureProposal, dataset: &Dataset, run: &FeatureRun) -> Result<(), Failure> {
    let name = &proposal.name;
    if dataset.columns.iter().any(|column| column.name == *name) {
        return Err(Failure::new(format!("The dataset has a column \"{name}\" already; choose another featureName")));
    }
    let is_same = |step: &&FeatureStep| {
        step.name == *name && step.feature_id != proposal.feature_id && step.status != FeatureStatus::Rejected
    };
    match run.features.iter().find(is_same) {
        Some(step) => {
            let known = &step.feature_id;
            Err(Failure::new(format!("Feature {known} is called \"{name}\" already; go on with it, or choose another name")))
        }
        None => Ok(()),
    }
}

/// Whether the feature is made from columns that are there, and from none that only names rows.
fn check_sources(method: FeatureMethod, proposal: &FeatureProposal, dataset: &Dataset, run: &FeatureRun) -> Result<(), Failure> {
    for source in &proposal.source_columns {
        let column = dataset.columns.iter().find(|column| column.name == *source);
        match column {
            Some(column) if names_rows(column) && !may_use_texts(method) => {
                return Err(Failure::new(format!(
                    "\"{source}\" looks like an identifier: it names rows and says nothing general about them. Make the feature \
                     from other columns"
                )));
            }
            None if !outputs(run).any(|output| output == source) => {
                let names: Vec<&str> = dataset.columns.iter().take(NAMED_MAX).map(|column| column.name.as_str()).collect();
                let source = plain(source, 100);
                return Err(Failure::new(format!("There is no column \"{source}\". The dataset has: {}", names.join(", "))));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether nothing general can be learned from a column. Texts of several words tell more than they name, though each of
/// them is there once.
fn names_rows(column: &ColumnProfile) -> bool {
    let has_words = || column.top_values.iter().any(|top| top.value.trim().contains(char::is_whitespace));
    let is_text = column.dtype == ColumnType::String && !is_identifier_name(&column.name) && has_words();
    is_identifier(column) && !is_text
}

/// These look at what a text is like, not at which one it is.
fn may_use_texts(method: FeatureMethod) -> bool {
    use FeatureMethod as M;
    matches!(method, M::TextLength | M::WordCount | M::ContainsPattern | M::MissingIndicator)
}

/// Columns that features of the run make.
fn outputs(run: &FeatureRun) -> impl Iterator<Item = &String> {
    let made = run.features.iter().filter(|step| !matches!(step.status, FeatureStatus::Rejected | FeatureStatus::Failed));
    made.flat_map(|step| &step.output_columns)
}

/// Whether the method can make it, which is asked again when features are applied.
fn check_method(method: FeatureMethod, proposal: &FeatureProposal, dataset: &Dataset, run: &FeatureRun) -> Result<(), Failure> {
    let mut sources = proposal.source_columns.iter();
    let Some(source) = sources.next() else {
        return Err(Failure::new(format!("{} is made from a column; name it in sourceColumns", method.as_str())));
    };
    let is_of_two = matches!(method, FeatureMethod::Ratio | FeatureMethod::Difference | FeatureMethod::Product);
    if is_of_two && proposal.source_columns.len() < 2 {
        return Err(Failure::new(format!("{} is made from two columns; name both in sourceColumns", method.as_str())));
    }
    let mut spec = FeatureSpec::new(method, source.as_str(), proposal.name.as_str());
    spec.secondary_column = sources.next().cloned();
    spec.params.clone_from(&proposal.params);
    let mut columns = dataset.types();
    for name in outputs(run) {
        if !columns.iter().any(|(known, _)| known == name) {
            columns.push((name.clone(), ColumnType::Unknown));
        }
    }
    match plan(&[spec], &columns) {
        Ok(_) => Ok(()),
        // What type a feature before has is not known until it is made.
        Err(_) if outputs(run).any(|output| output == source) => Ok(()),
        Err(error) => Err(Failure::new(error.public_message())),
    }
}

fn answer(run: &FeatureRun, id: &str) -> Result<Value, Failure> {
    let step = run.feature(id).map_err(refused)?;
    let mut answer = json!({
        "status": "proposed",
        "message": format!("Feature \"{}\" is proposed.", step.name),
        "featureId": step.feature_id,
        "featureName": step.name,
        "method": step.method,
        "impact": step.impact.unwrap_or(FeatureImpact::Medium),
        "sourceColumns": step.source_columns,
        "runId": run.id.to_string(),
    });
    if let Value::Object(fields) = &mut answer {
        if let Some(rationale) = &step.rationale {
            fields.insert("rationale".to_owned(), rationale.as_str().into());
        }
        if !step.params.is_empty() {
            fields.insert("params".to_owned(), Value::Object(step.params.clone()));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use gristmill_domain::datasets::TopValue;

    use super::*;

    #[test]
    fn texts_of_words_are_no_identifiers_and_keys_are() {
        let column = |name: &str, dtype: ColumnType, value: &str| ColumnProfile {
            top_values: vec![TopValue { value: value.to_owned(), count: 1, percentage: 1.0 }],
            min: Some(0.5),
            max: Some(90_000.0),
            ..ColumnProfile::of_values(name, dtype, 100, 100)
        };
        for (name, dtype, value, expected) in [
            ("Name", ColumnType::String, "Braund, Mr. Owen Harris", false),
            ("Ticket", ColumnType::String, "A521171", true),
            ("home_phone", ColumnType::String, "555 12 34", true),
            ("customer_id", ColumnType::Integer, "7", true),
            // W3: floats are never identifiers, however distinct they are.
            ("price", ColumnType::Float, "7.25", false),
            ("id", ColumnType::Float, "7.25", false),
            ("population", ColumnType::Integer, "7", false),
        ] {
            assert_eq!(names_rows(&column(name, dtype, value)), expected, "{name}");
        }
        assert!(may_use_texts(FeatureMethod::TextLength) && !may_use_texts(FeatureMethod::LabelEncode));
    }
}
