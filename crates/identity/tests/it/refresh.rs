//! Refresh families: rotation, grace, reuse, races, and the list of sessions.

use std::{collections::HashSet, sync::Arc};

use gristmill_domain::{ErrorCode, SessionId, identity::ClientInfo};
use gristmill_identity::{IdentityError, ServerSecret, SignedIn, TokenPair};

use crate::support::{PASSWORD, World, assert_code, browser, client, no_throttles, remembered};

async fn refresh(world: &World, token: &str) -> Result<TokenPair, IdentityError> {
    world.identity.accounts.refresh(token, browser()).await
}

async fn started() -> (World, SignedIn, String) {
    let world = World::new();
    let signed_in = world.register("ada@example.org").await;
    let token = signed_in.tokens.refresh.expose().to_owned();
    (world, signed_in, token)
}

#[tokio::test]
async fn rotation_gives_a_new_pair_that_works() {
    let (world, signed_in, first) = started().await;
    world.clock.advance(60);
    let pair = refresh(&world, &first).await.unwrap();
    assert_ne!(pair.refresh.expose(), first);
    let caller = world.identity.authenticator.authenticate(pair.access_text()).await.unwrap();
    assert_eq!(caller.user_id, signed_in.user.id);
    assert_eq!(caller.credential, world.caller(&signed_in).await.credential, "the session stays the same");
    assert!(refresh(&world, pair.refresh.expose()).await.is_ok());
}

#[tokio::test]
async fn two_tabs_within_the_grace_get_the_same_successor() {
    let (world, _, first) = started().await;
    let one = refresh(&world, &first).await.unwrap();
    world.clock.advance(10);
    let two = refresh(&world, &first).await.unwrap();
    assert_eq!(one.refresh.expose(), two.refresh.expose());
    let next = refresh(&world, two.refresh.expose()).await.unwrap();
    assert!(refresh(&world, next.refresh.expose()).await.is_ok(), "both tabs go on");
}

#[tokio::test]
async fn a_replay_after_the_grace_ends_the_whole_family_and_its_access_tokens() {
    let (world, signed_in, first) = started().await;
    let second = refresh(&world, &first).await.unwrap();
    world.caller(&signed_in).await;
    world.clock.advance_ms(10_001);
    assert_code(refresh(&world, &first).await, ErrorCode::RefreshTokenReused);
    assert_code(refresh(&world, second.refresh.expose()).await, ErrorCode::Unauthenticated);
    assert_code(refresh(&world, &first).await, ErrorCode::Unauthenticated);
    for access in [signed_in.tokens.access_text(), second.access_text()] {
        assert_code(world.identity.authenticator.authenticate(access).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn reuse_leaves_the_users_other_sessions_alone() {
    let (world, _, first) = started().await;
    let other = world.login("ada@example.org", PASSWORD).await.unwrap();
    refresh(&world, &first).await.unwrap();
    world.clock.advance(11);
    assert_code(refresh(&world, &first).await, ErrorCode::RefreshTokenReused);
    assert!(refresh(&world, other.tokens.refresh.expose()).await.is_ok());
    assert!(world.authenticate(&other).await.is_ok());
}

#[tokio::test]
async fn the_replay_of_a_grandparent_within_its_grace_gets_the_newest_token() {
    let (world, _, first) = started().await;
    let second = refresh(&world, &first).await.unwrap();
    world.clock.advance(4);
    let third = refresh(&world, second.refresh.expose()).await.unwrap();
    world.clock.advance(5);
    let slow_tab = refresh(&world, &first).await.unwrap();
    assert_eq!(slow_tab.refresh.expose(), third.refresh.expose());
    world.clock.advance(60);
    assert!(refresh(&world, slow_tab.refresh.expose()).await.is_ok(), "the slow tab is not taken for a thief");
}

#[tokio::test]
async fn the_grace_of_a_grandparent_counts_from_its_own_rotation() {
    let (world, _, first) = started().await;
    let second = refresh(&world, &first).await.unwrap();
    world.clock.advance(8);
    let third = refresh(&world, second.refresh.expose()).await.unwrap();
    world.clock.advance(3);
    assert_code(refresh(&world, &first).await, ErrorCode::RefreshTokenReused);
    assert_code(refresh(&world, third.refresh.expose()).await, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn another_process_hands_out_the_same_successor() {
    let (world, _, first) = started().await;
    let here = refresh(&world, &first).await.unwrap();
    let there = world.another_process().accounts.refresh(&first, browser()).await.unwrap();
    assert_eq!(here.refresh.expose(), there.refresh.expose());
}

#[tokio::test]
async fn sessions_outlive_a_change_of_the_secret_but_a_replay_across_it_does_not_invent_a_token() {
    let (world, signed_in, first) = started().await;
    let second = refresh(&world, &first).await.unwrap();
    let restarted = world.process_with(&ServerSecret::generate(), &world.policy);
    assert_code(restarted.accounts.refresh(&first, browser()).await, ErrorCode::Unauthenticated);
    assert_code(restarted.authenticator.authenticate(signed_in.tokens.access_text()).await, ErrorCode::Unauthenticated);
    let pair = restarted.accounts.refresh(second.refresh.expose(), browser()).await.unwrap();
    assert!(restarted.authenticator.authenticate(pair.access_text()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_rotations_of_one_token_at_once_all_get_the_one_successor() {
    let (world, _, first) = started().await;
    let (world, first) = (Arc::new(world), Arc::new(first));
    for _ in 0..10 {
        let presented = refresh(&world, &first).await.unwrap().refresh.expose().to_owned();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (world, presented) = (Arc::clone(&world), presented.clone());
            tasks.spawn(async move { refresh(&world, &presented).await.unwrap().refresh.expose().to_owned() });
        }
        let successors: HashSet<String> = tasks.join_all().await.into_iter().collect();
        assert_eq!(successors.len(), 1, "exactly one family head");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_that_races_with_rotations_always_wins_in_the_end() {
    for _ in 0..20 {
        let (world, signed_in, first) = started().await;
        let (world, caller) = (Arc::new(world), Arc::new(signed_in));
        let revoking = {
            let (world, caller) = (Arc::clone(&world), Arc::clone(&caller));
            async move {
                let caller = world.caller(&caller).await;
                world.identity.accounts.revoke_all_sessions(&caller).await.unwrap();
            }
        };
        let rotating = {
            let world = Arc::clone(&world);
            async move {
                let mut token = first;
                let mut access = None;
                while let Ok(pair) = refresh(&world, &token).await {
                    token = pair.refresh.expose().to_owned();
                    access = Some(pair.access_text().to_owned());
                }
                access
            }
        };
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(rotating);
        revoking.await;
        let last_access = tasks.join_all().await.pop().unwrap();
        if let Some(access) = last_access {
            assert_code(world.identity.authenticator.authenticate(&access).await, ErrorCode::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn expired_tokens_are_refused_without_harm() {
    let (world, _, first) = started().await;
    let second = refresh(&world, &first).await.unwrap();
    world.clock.advance(7 * 86_400 - 60);
    let third = refresh(&world, second.refresh.expose()).await.unwrap();
    world.clock.advance(60);
    assert_code(refresh(&world, &first).await, ErrorCode::Unauthenticated);
    assert!(refresh(&world, third.refresh.expose()).await.is_ok());
    world.clock.advance(7 * 86_400);
    assert_code(refresh(&world, third.refresh.expose()).await, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn remember_me_is_kept_at_each_rotation() {
    let world = World::new();
    world.register("ada@example.org").await;
    let signed_in = world.identity.accounts.login(remembered("ada@example.org"), browser()).await.unwrap();
    let mut token = signed_in.tokens.refresh.expose().to_owned();
    for _ in 0..3 {
        world.clock.advance(29 * 86_400);
        token = refresh(&world, &token).await.unwrap().refresh.expose().to_owned();
    }
    world.clock.advance(30 * 86_400);
    assert_code(refresh(&world, &token).await, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let (world, signed_in, first) = started().await;
    let foreign = "0".repeat(128);
    let upper = first.to_uppercase();
    for bad in ["", "x", "\0", &foreign, &upper, first.split_at(127).0, &format!("{first}0"), signed_in.tokens.access_text()] {
        assert_code(refresh(&world, bad).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn tokens_of_deleted_users_are_unknown() {
    let (world, signed_in, first) = started().await;
    let caller = world.caller(&signed_in).await;
    world.identity.accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert_code(refresh(&world, &first).await, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn logging_out_ends_the_session_at_once() {
    let (world, signed_in, first) = started().await;
    let caller = world.caller(&signed_in).await;
    world.identity.accounts.logout(&caller, Some(&first)).await.unwrap();
    assert_code(world.authenticate(&signed_in).await, ErrorCode::Unauthenticated);
    assert_code(refresh(&world, &first).await, ErrorCode::Unauthenticated);
    world.identity.accounts.logout(&caller, Some(&first)).await.unwrap();
}

#[tokio::test]
async fn logging_out_without_or_with_a_bad_refresh_token_ends_the_callers_session() {
    for sent in [None, Some(""), Some("nonsense")] {
        let (world, signed_in, first) = started().await;
        let caller = world.caller(&signed_in).await;
        world.identity.accounts.logout(&caller, sent).await.unwrap();
        assert_code(world.authenticate(&signed_in).await, ErrorCode::Unauthenticated);
        assert_code(refresh(&world, &first).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn logging_out_does_not_end_sessions_of_others() {
    let (world, signed_in, _) = started().await;
    let other = world.register("eve@example.org").await;
    let caller = world.caller(&other).await;
    world.identity.accounts.logout(&caller, Some(signed_in.tokens.refresh.expose())).await.unwrap();
    assert!(world.authenticate(&signed_in).await.is_ok());
    assert_code(world.authenticate(&other).await, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn lists_living_sessions_newest_first_and_marks_the_current_one() {
    let world = World::with_policy(no_throttles);
    let first = world.register("ada@example.org").await;
    world.register("eve@example.org").await;
    world.clock.advance(10);
    let phone = client("2001:db8::7", "Phone");
    let second = world.identity.accounts.login(crate::support::login("ada@example.org", PASSWORD), phone).await.unwrap();
    let caller = world.caller(&first).await;
    let accounts = &world.identity.accounts;

    let sessions = accounts.list_sessions(&caller, Some(second.tokens.refresh.expose())).await.unwrap();
    let shown: Vec<_> = sessions.iter().map(|s| (s.address.unwrap().to_string(), s.user_agent.clone(), s.current)).collect();
    assert_eq!(
        shown,
        [("2001:db8::7".to_owned(), Some("Phone".to_owned()), true), ("192.0.2.1".to_owned(), Some("Firefox".to_owned()), false),]
    );

    let without_header = accounts.list_sessions(&caller, None).await.unwrap();
    assert_eq!(without_header.iter().map(|s| s.current).collect::<Vec<_>>(), [false, true]);
    let with_nonsense = accounts.list_sessions(&caller, Some("nonsense")).await.unwrap();
    assert_eq!(with_nonsense, without_header);

    // A token that another tab has rotated meanwhile still tells the session.
    let old = second.tokens.refresh.expose();
    accounts.refresh(old, client("192.0.2.9", "Phone 2")).await.unwrap();
    let sessions = accounts.list_sessions(&caller, Some(old)).await.unwrap();
    assert!(sessions[0].current && !sessions[1].current);
    assert_eq!(sessions[0].user_agent.as_deref(), Some("Phone 2"), "the latest use is shown");

    world.clock.advance(7 * 86_400 - 10);
    let sessions = accounts.list_sessions(&caller, None).await.unwrap();
    assert_eq!(sessions.len(), 1, "the first one has expired");
}

#[tokio::test]
async fn a_revoked_session_is_dead_and_gone_from_the_list() {
    let (world, first, _) = started().await;
    let second = world.login("ada@example.org", PASSWORD).await.unwrap();
    let caller = world.caller(&first).await;
    let accounts = &world.identity.accounts;
    let sessions = accounts.list_sessions(&caller, Some(second.tokens.refresh.expose())).await.unwrap();
    let id = sessions.iter().find(|session| session.current).unwrap().id;
    world.caller(&second).await;
    accounts.revoke_session(&caller, id).await.unwrap();
    assert_code(world.authenticate(&second).await, ErrorCode::Unauthenticated);
    assert_code(refresh(&world, second.tokens.refresh.expose()).await, ErrorCode::Unauthenticated);
    assert_eq!(accounts.list_sessions(&caller, None).await.unwrap().len(), 1);
    assert_code(accounts.revoke_session(&caller, id).await, ErrorCode::SessionNotFound);
}

#[tokio::test]
async fn nobody_revokes_sessions_of_others() {
    let (world, first, _) = started().await;
    let eve = world.register("eve@example.org").await;
    let (ada, eve) = (world.caller(&first).await, world.caller(&eve).await);
    let accounts = &world.identity.accounts;
    let id = accounts.list_sessions(&ada, None).await.unwrap()[0].id;
    assert_code(accounts.revoke_session(&eve, id).await, ErrorCode::SessionNotFound);
    assert_code(accounts.revoke_session(&eve, SessionId::random()).await, ErrorCode::SessionNotFound);
    assert!(world.authenticate(&first).await.is_ok());
}

#[tokio::test]
async fn revoking_all_sessions_ends_every_one_of_the_user_and_no_other() {
    let (world, first, _) = started().await;
    let second = world.login("ada@example.org", PASSWORD).await.unwrap();
    let eve = world.register("eve@example.org").await;
    for signed_in in [&first, &second, &eve] {
        world.caller(signed_in).await;
    }
    let caller = world.caller(&first).await;
    assert_eq!(world.identity.accounts.revoke_all_sessions(&caller).await.unwrap(), 2);
    for dead in [&first, &second] {
        assert_code(world.authenticate(dead).await, ErrorCode::Unauthenticated);
        assert_code(refresh(&world, dead.tokens.refresh.expose()).await, ErrorCode::Unauthenticated);
    }
    assert!(world.authenticate(&eve).await.is_ok());
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_client_without_address_or_name_is_listed_as_such() {
    let world = World::new();
    let login = crate::support::login("ada@example.org", PASSWORD);
    world.register("ada@example.org").await;
    world.clock.advance(1);
    let signed_in = world.identity.accounts.login(login, ClientInfo::default()).await.unwrap();
    let caller = world.caller(&signed_in).await;
    let sessions = world.identity.accounts.list_sessions(&caller, None).await.unwrap();
    assert_eq!((sessions[0].address, sessions[0].user_agent.clone()), (None, None));
}
