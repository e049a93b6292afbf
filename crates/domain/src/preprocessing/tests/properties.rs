//! Any sequence of commands.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Command {
    Propose { risky: bool, asks: bool },
    Materialize { step: usize, code: u8 },
    Execute { step: usize, code: u8, run: u8 },
    Validate { step: usize, code: u8, loses: bool, asks: bool, how: u8 },
    Commit { step: usize, code: u8, approval: u8, version: u32, output: u8 },
    Reject { step: usize },
    Detect { step: usize, code: u8 },
    Reconcile { step: usize, code: u8, linked: bool },
    Restore { checkpoint: usize },
}

fn command() -> impl Strategy<Value = Command> {
    let (step, code) = (0..4_usize, 0..3_u8);
    prop_oneof![
        2 => (any::<bool>(), any::<bool>()).prop_map(|(risky, asks)| Command::Propose { risky, asks }),
        2 => (step.clone(), code.clone()).prop_map(|(step, code)| Command::Materialize { step, code }),
        3 => (step.clone(), code.clone(), 0..6_u8).prop_map(|(step, code, run)| Command::Execute { step, code, run }),
        3 => (step.clone(), code.clone(), any::<bool>(), any::<bool>(), 0..6_u8)
            .prop_map(|(step, code, loses, asks, how)| Command::Validate { step, code, loses, asks, how }),
        3 => (step.clone(), code.clone(), 0..3_u8, 1..3_u32, 0..4_u8)
            .prop_map(|(step, code, approval, version, output)| Command::Commit { step, code, approval, version, output }),
        1 => step.clone().prop_map(|step| Command::Reject { step }),
        1 => (step.clone(), code.clone()).prop_map(|(step, code)| Command::Detect { step, code }),
        1 => (step, code, any::<bool>()).prop_map(|(step, code, linked)| Command::Reconcile { step, code, linked }),
        1 => (0..3_usize).prop_map(|checkpoint| Command::Restore { checkpoint }),
    ]
}

/// What really happened, kept apart from the run.
#[derive(Debug, Default)]
struct Witness {
    ran: HashSet<(StepId, u32)>,
    measured: HashMap<(StepId, u32), bool>,
    approved: HashSet<(StepId, u32)>,
}

fn apply(run: &mut PrepRun, witness: &mut Witness, command: Command) -> Result<(), Refusal> {
    let at = |run: &PrepRun, place: usize| run.steps.get(place).map_or(StepId(Uuid::nil()), |step| step.id);
    let version = |run: &PrepRun, id: StepId| run.step(id).map_or(0, |step| step.version);
    let code_of = |code: u8| format!("code {code}");
    match command {
        Command::Propose { risky, asks } => {
            let proposal = Proposal { asks_approval: asks, ..proposal(if risky { "drop" } else { "fill" }) };
            propose(run, None, proposal, &[], NOW)?;
        }
        Command::Materialize { step, code } => {
            let (id, material) = (at(run, step), material(run, &code_of(code)));
            materialize(run, id, material, NOW)?;
        }
        Command::Execute { step, code, run: state } => {
            let id = at(run, step);
            let state = match state {
                0 => CellRunNow::Never,
                1 => CellRunNow::Outdated,
                2 => CellRunNow::Failed,
                _ => CellRunNow::Succeeded,
            };
            let facts = cells(run, id, &code_of(code), state);
            if execute(run, id, &facts, NOW)? {
                assert_eq!(state, CellRunNow::Succeeded);
                witness.ran.insert((id, version(run, id)));
            }
        }
        Command::Validate { step, code, loses, asks, how } => {
            let id = at(run, step);
            run.step(id)?;
            let facts = cells(run, id, &code_of(code), CellRunNow::Succeeded);
            let after = table(if loses { 1 } else { 3 }, &[("a", ColumnType::Integer, 1)]);
            let found = match how {
                0 => Measured::Missing("gone".into()),
                1 => Measured::Unusable("bad".into()),
                _ => measured(run, id, table(3, &[("a", ColumnType::Integer, 1)]), after),
            };
            validate(run, id, &facts, &found, Remarks { notes: None, asks_approval: asks }, NOW)?;
            witness.measured.insert((id, version(run, id)), loses || asks);
            witness.approved.remove(&(id, version(run, id)));
        }
        Command::Commit { step, code, approval, version: dataset_version, output } => {
            let id = at(run, step);
            let approval = match approval {
                0 => Approval::Absent,
                1 => Approval::ByAgent,
                _ => Approval::ByUser(UserId::random()),
            };
            let facts = cells(run, id, &code_of(code), CellRunNow::Succeeded);
            let basis = now_of(dataset_version, if output == 0 { "other" } else { "out" });
            if matches!(approval, Approval::ByUser(_)) {
                witness.approved.insert((id, version(run, id)));
            }
            let done = commit(run, id, approval, (&facts, &basis), kept(), NOW);
            if done.is_err() && run.step(id).is_ok_and(|step| step.status != StepStatus::Applied) {
                witness.approved.remove(&(id, version(run, id)));
            }
            done?;
            assert_eq!((dataset_version, output == 0), (1, false), "only what was measured is kept");
        }
        Command::Reject { step } => {
            let id = at(run, step);
            reject(run, id, None, None, NOW)?;
        }
        Command::Detect { step, code } => {
            let id = at(run, step);
            let facts = cells(run, id, &code_of(code), CellRunNow::Succeeded);
            detect(run, id, &facts, NOW)?;
        }
        Command::Reconcile { step, code, linked } => {
            let id = at(run, step);
            let facts = cells(run, id, &code_of(code), CellRunNow::Succeeded);
            let strategy =
                if linked { ReconcileStrategy::CreateLinkedStep { title: None } } else { ReconcileStrategy::AbsorbEdit };
            reconcile(run, id, &strategy, &facts, NOW)?;
        }
        Command::Restore { checkpoint } => {
            let found = run.checkpoints.get(checkpoint).map(|one| (one.id, one.dataset_id));
            if let Some((id, dataset)) = found {
                restore(run, id, Some(dataset), NOW)?;
            }
        }
    }
    Ok(())
}

proptest! {
    /// Whatever comes in whatever order: what is applied ran, was measured and, where that is needed, a person approved of it.
    #[test]
    fn nothing_is_applied_without_its_due(commands in prop::collection::vec(command(), 0..80)) {
        let mut run = run();
        let mut witness = Witness::default();
        for command in commands {
            let mut changed = run.clone();
            let outcome = apply(&mut changed, &mut witness, command);
            // What a refusal did that is not recorded is forgotten, as the store does.
            if outcome.is_ok() || outcome.is_err_and(|refusal| refusal.is_recorded) {
                run = changed;
            }
            for step in &run.steps {
                if step.status != StepStatus::Applied {
                    continue;
                }
                let key = (step.id, step.version);
                prop_assert!(step.executed && witness.ran.contains(&key), "{step:?} did not run");
                let asked = witness.measured.get(&key).copied();
                prop_assert!(step.validated && asked.is_some(), "{step:?} was not measured");
                if asked == Some(true) || step.intent_type == "drop" || step.asks_approval {
                    prop_assert!(witness.approved.contains(&key), "{step:?} was not approved of");
                    prop_assert_eq!(step.approval, Some(ApprovalDecision::Approved));
                }
            }
            let sequences: Vec<i64> = run.events.iter().map(|event| event.sequence).collect();
            prop_assert_eq!(sequences, (1..=run.event_sequence).collect::<Vec<_>>());
        }
    }
}
