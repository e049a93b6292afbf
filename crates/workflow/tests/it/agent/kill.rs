//! A server that dies at any write: another takes the turn up, and nothing happens twice.

use std::collections::BTreeSet;

use gristmill_domain::workflows::Phase;

use super::{
    preprocessing,
    support::{Bench, Store},
};

fn bench() -> Bench {
    Bench::new(Phase::Preprocessing, preprocessing::tools(), preprocessing::script())
}

fn check_effects(bench: &Bench, store: &Store, place: &str) {
    let effects = bench.tools.effects.lock().unwrap();
    let keys: BTreeSet<_> = effects.iter().map(|(key, ..)| key).collect();
    assert_eq!(keys.len(), effects.len(), "{place}: an effect happened twice");
    let executed = store.events().iter().filter(|event| event.event_type == "tool_executed").count();
    assert_eq!(executed, effects.len(), "{place}: as many results as effects");
}

#[tokio::test]
async fn a_turn_whose_server_dies_at_any_write_ends_alike() {
    let whole = bench();
    whole.turn("Drop rows with missing values").await;
    whole.turn("yes, go ahead").await;
    let (expected, writes) = (whole.store.picture(), *whole.store.writes.lock().unwrap());
    assert!(writes > 20, "{writes}");
    check_effects(&whole, &whole.store, "whole");
    for after in [false, true] {
        for place in 0..writes {
            let mut bench = bench();
            *bench.store.breaks.lock().unwrap() = Some((place, after));
            for prompt in ["Drop rows with missing values", "yes, go ahead"] {
                bench.begin(prompt);
                let mut deaths = 0;
                while let Err(error) = bench.work().await {
                    assert!(error.to_string().contains("the store broke"), "{error}");
                    deaths += 1;
                    assert!(deaths < 3, "write {place}: it does not come back");
                    *bench.store.breaks.lock().unwrap() = None;
                    bench.another_server();
                }
            }
            let place = format!("write {place}, {}", if after { "after" } else { "before" });
            assert_eq!(bench.store.picture(), expected, "{place}");
            check_effects(&bench, &bench.store, &place);
            let names = bench.client.names();
            assert_eq!(names.iter().filter(|name| **name == "done").count(), 2, "{place}: {names:?}");
            let told: BTreeSet<String> =
                bench.client.of("tool_executed").iter().map(|event| event["call"]["id"].to_string()).collect();
            assert_eq!(told.len(), bench.tools.called().len(), "{place}: the client was told of every call");
        }
    }
}

/// The server lives on; what was written last and did not wait for the disk is gone, though the client was told of it.
#[tokio::test]
async fn a_turn_whose_last_result_the_database_loses_ends_alike() {
    let whole = bench();
    whole.turn("Drop rows with missing values").await;
    whole.turn("yes, go ahead").await;
    let (expected, writes) = (whole.store.picture(), *whole.store.writes.lock().unwrap());
    let mut lost = 0;
    for place in 0..writes {
        let mut bench = bench();
        *bench.store.crashes.lock().unwrap() = Some(place);
        for prompt in ["Drop rows with missing values", "yes, go ahead"] {
            bench.begin(prompt);
            while let Err(error) = bench.work().await {
                assert!(error.to_string().contains("the store broke"), "{error}");
                let crashed = bench.store.crashes.lock().unwrap().take();
                assert!(crashed.is_some(), "write {place}: it does not come back");
                bench.another_server();
            }
        }
        lost += *bench.store.lost.lock().unwrap();
        let place = format!("a crash at write {place}");
        assert_eq!(bench.store.picture(), expected, "{place}");
        check_effects(&bench, &bench.store, &place);
        for name in ["tool_started", "tool_executed"] {
            let told: Vec<String> = bench.client.of(name).iter().map(|event| event["call"]["id"].to_string()).collect();
            let once: BTreeSet<&String> = told.iter().collect();
            assert_eq!((told.len(), once.len()), (bench.tools.called().len(), told.len()), "{place}: {name} once a call");
        }
    }
    assert!(lost > 5, "crashes took {lost} events");
}
