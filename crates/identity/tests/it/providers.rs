//! Signing in by another provider, from the moment that it has told who somebody is.

use std::sync::Arc;

use gristmill_domain::{
    ErrorCode,
    identity::{ClientInfo, DisplayName, ExternalIdentity, ExternalProfile, NewPassword, Provider, ProviderSubject},
    users::User,
};
use gristmill_identity::{IdentityError, ProfileUpdate, SignedIn};

use crate::support::{PASSWORD, World, assert_code, browser, client, email, no_throttles};

/// Who Google says somebody is.
fn profile(subject: &str, address: &str) -> ExternalProfile {
    ExternalProfile {
        identity: ExternalIdentity { provider: Provider::Google, subject: ProviderSubject::parse(subject).unwrap() },
        email: email(address),
        name: DisplayName::parse("Ada L.").unwrap(),
    }
}

async fn code(world: &World, profile: &ExternalProfile, client: &ClientInfo) -> String {
    let code = world.identity.accounts.issue_sign_in_code(profile.clone(), client).await.unwrap();
    code.expose().to_owned()
}

/// Comes back from Google and logs in.
async fn sign_in(world: &World, profile: &ExternalProfile) -> Result<SignedIn, IdentityError> {
    let code = code(world, profile, &browser()).await;
    world.identity.accounts.login_by_code(&code, &browser()).await
}

#[tokio::test]
async fn the_first_time_makes_an_account_and_later_ones_find_it() {
    let world = World::with_mail();
    let ada = profile("1", "ada@example.org");
    let first = sign_in(&world, &ada).await.unwrap();
    let User { email, name, email_verified, last_login_at, .. } = &first.user;
    assert_eq!((email.as_str(), name.as_str(), *email_verified, *last_login_at), ("ada@example.org", "Ada L.", true, None));
    assert!(world.mail.letters().is_empty(), "nothing is left to verify");
    assert!(world.caller(&first).await.email_verified);

    world.clock.advance(100);
    // Google's address is another by now, and somebody else's here.
    world.register("new@example.org").await;
    let second = sign_in(&world, &profile("1", "new@example.org")).await.unwrap();
    assert_eq!((second.user.id, second.user.email.as_str()), (first.user.id, "ada@example.org"));
}

#[tokio::test]
async fn the_session_lasts_30_days() {
    let world = World::with_policy(|policy| policy.tokens.session_ttl.standard = std::time::Duration::from_secs(60));
    let signed_in = sign_in(&world, &profile("1", "ada@example.org")).await.unwrap();
    world.clock.advance(30 * 86_400 - 1);
    world.identity.accounts.refresh(signed_in.tokens.refresh.expose(), browser()).await.unwrap();
}

#[tokio::test]
async fn an_account_with_the_address_is_not_taken_over() {
    let world = World::new();
    let registered = world.register("ada@example.org").await;
    assert_code(sign_in(&world, &profile("1", "ada@example.org")).await, ErrorCode::AccountExists);

    let caller = world.caller(&registered).await;
    let accounts = &world.identity.accounts;
    let linking = code(&world, &profile("1", "ada@example.org"), &browser()).await;
    accounts.link_by_code(&caller, &linking, &browser()).await.unwrap();
    assert_eq!(sign_in(&world, &profile("1", "ada@example.org")).await.unwrap().user.id, registered.user.id);
    assert!(world.login("ada@example.org", PASSWORD).await.is_ok(), "the password still works");
}

#[tokio::test]
async fn an_identity_is_one_accounts_only() {
    let world = World::new();
    let ada = world.register("ada@example.org").await;
    let eve = world.register("eve@example.org").await;
    let accounts = &world.identity.accounts;
    let link = async |signed_in: &SignedIn, subject: &str| {
        let code = code(&world, &profile(subject, "ada@gmail.example"), &browser()).await;
        accounts.link_by_code(&world.caller(signed_in).await, &code, &browser()).await
    };
    link(&ada, "1").await.unwrap();
    link(&ada, "1").await.expect("once more changes nothing");
    assert_code(link(&eve, "1").await, ErrorCode::IdentityTaken);
    link(&ada, "2").await.expect("one account may have several");
    assert_eq!(sign_in(&world, &profile("2", "x@gmail.example")).await.unwrap().user.id, ada.user.id);
}

#[tokio::test]
async fn a_code_works_once_for_a_minute_and_for_its_browser() {
    let world = World::with_policy(no_throttles);
    let ada = profile("1", "ada@example.org");
    let accounts = &world.identity.accounts;
    let login = async |code: &str, from: &ClientInfo| accounts.login_by_code(code, from).await;

    let once = code(&world, &ada, &browser()).await;
    login(&once, &browser()).await.unwrap();
    assert_code(login(&once, &browser()).await, ErrorCode::SignInFailed);

    let late = code(&world, &ada, &browser()).await;
    world.clock.advance(60);
    assert_code(login(&late, &browser()).await, ErrorCode::SignInFailed);

    for other in [client("192.0.2.1", "Chrome"), client("192.0.2.2", "Firefox"), ClientInfo::default()] {
        let stolen = code(&world, &ada, &browser()).await;
        assert_code(login(&stolen, &other).await, ErrorCode::SignInFailed);
        assert_code(login(&stolen, &browser()).await, ErrorCode::SignInFailed);
    }
    for made_up in ["", "x", &"0".repeat(64), &"é".repeat(32)] {
        assert_code(login(made_up, &browser()).await, ErrorCode::SignInFailed);
    }
    // Names of this machine lead to several addresses, and a browser has many of a network's.
    for (there, back) in [("127.0.0.1", "::1"), ("2001:db8:1:2::1", "2001:db8:1:2::9")] {
        let code = code(&world, &ada, &client(there, "Firefox")).await;
        login(&code, &client(back, "Firefox")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_logins_by_one_code_one_succeeds() {
    let world = Arc::new(World::with_policy(no_throttles));
    let code = code(&world, &profile("1", "ada@example.org"), &browser()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (world, code) = (Arc::clone(&world), code.clone());
        tasks.spawn(async move { world.identity.accounts.login_by_code(&code, &browser()).await });
    }
    assert_eq!(tasks.join_all().await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_first_logins_at_once_all_find_one_account() {
    let world = Arc::new(World::with_policy(no_throttles));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { sign_in(&world, &profile("1", "ada@example.org")).await.unwrap().user.id });
    }
    let made: std::collections::HashSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(made.len(), 1);
}

#[tokio::test]
async fn who_came_by_a_provider_may_set_a_password() {
    let world = World::with_mail();
    let signed_in = sign_in(&world, &profile("1", "ada@example.org")).await.unwrap();
    let accounts = &world.identity.accounts;
    accounts.forgot_password(email("ada@example.org")).await.unwrap().await;
    let token = world.mail.last().1.token;
    accounts.reset_password(token.expose(), &NewPassword::parse(PASSWORD).unwrap()).await.unwrap();
    let by_password = world.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(by_password.user.id, signed_in.user.id);
    // The letter may have gone to somebody else than the one who came by the provider: the link is made again by its owner.
    assert_code(sign_in(&world, &profile("1", "ada@example.org")).await, ErrorCode::AccountExists);
    let caller = world.caller(&by_password).await;
    let linking = code(&world, &profile("1", "ada@example.org"), &browser()).await;
    accounts.link_by_code(&caller, &linking, &browser()).await.unwrap();
    assert_eq!(sign_in(&world, &profile("1", "ada@example.org")).await.unwrap().user.id, signed_in.user.id);
}

#[tokio::test]
async fn a_new_address_leaves_the_only_way_into_an_account_until_a_password_is_set() {
    let world = World::with_mail();
    let signed_in = sign_in(&world, &profile("1", "ada@example.org")).await.unwrap();
    let (caller, accounts) = (world.caller(&signed_in).await, &world.identity.accounts);
    let update = ProfileUpdate { email: Some(email("mistyped@example.org")), ..ProfileUpdate::default() };
    accounts.update_profile(&caller, update).await.unwrap().deferred.await;
    let again = sign_in(&world, &profile("1", "ada@example.org")).await.unwrap();
    assert_eq!((again.user.id, again.user.email.as_str()), (signed_in.user.id, "mistyped@example.org"));
    // Whoever reads the letters to the new address shuts the one out who made the account.
    accounts.forgot_password(email("mistyped@example.org")).await.unwrap().await;
    let token = world.mail.last().1.token;
    accounts.reset_password(token.expose(), &NewPassword::parse(PASSWORD).unwrap()).await.unwrap();
    assert_ne!(sign_in(&world, &profile("1", "ada@example.org")).await.unwrap().user.id, signed_in.user.id);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_identity() {
    let world = World::new();
    let registered = world.register("ada@example.org").await;
    let caller = world.caller(&registered).await;
    let accounts = &world.identity.accounts;
    let linking = code(&world, &profile("1", "ada@example.org"), &browser()).await;
    accounts.link_by_code(&caller, &linking, &browser()).await.unwrap();
    accounts.delete_account(&caller, &PASSWORD.into()).await.unwrap();
    assert_ne!(sign_in(&world, &profile("1", "ada@example.org")).await.unwrap().user.id, registered.user.id);
}

#[tokio::test]
async fn visits_and_logins_are_throttled_by_address() {
    let world = World::new();
    let accounts = &world.identity.accounts;
    for _ in 0..60 {
        accounts.count_visit(&browser()).await.unwrap();
        assert_code(accounts.login_by_code("x", &browser()).await, ErrorCode::SignInFailed);
    }
    assert_code(accounts.count_visit(&browser()).await, ErrorCode::TooManyRequests);
    assert_code(accounts.login_by_code("x", &browser()).await, ErrorCode::TooManyRequests);
    accounts.count_visit(&client("198.51.100.7", "Firefox")).await.unwrap();
}
