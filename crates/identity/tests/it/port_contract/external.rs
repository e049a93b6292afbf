//! What a store must do with identities at other providers and the codes of sign-ins.

use gristmill_domain::{
    UserId,
    identity::{
        AccountChange, ClientBinding, DisplayName, EmailChange, ExternalIdentity, ExternalProfile, IdentityLink, IdentityUnlink,
        LinkedIdentity, NewSignInCode, OneTimePurpose, Provider, ProviderSubject, SessionLifetime, SignInCode,
    },
    ports::StoreError,
};

use super::{Store, assert_not_found, at, fresh_email, fresh_hash, lives, new_session, new_user, one_time, phc, somebody};

/// An identity that nobody has.
fn fresh_identity() -> ExternalIdentity {
    let subject = UserId::random().to_string();
    ExternalIdentity { provider: Provider::Google, subject: ProviderSubject::parse(&subject).unwrap() }
}

fn new_code() -> NewSignInCode {
    let profile = ExternalProfile { identity: fresh_identity(), email: fresh_email(), name: DisplayName::parse("Ada").unwrap() };
    let client = ClientBinding::new(*fresh_hash().as_bytes());
    NewSignInCode { code_hash: fresh_hash(), client, profile, created_at: at(0), expires_at: at(60) }
}

pub(crate) async fn external_identities(store: &impl Store) {
    codes(store).await;
    unlinking(store).await;
    the_only_way_in(store).await;
    let (user, _) = somebody(store).await;
    let (other, _) = somebody(store).await;
    let identity = fresh_identity();
    let owner = async |identity: &ExternalIdentity| {
        store.find_account_by_identity(identity).await.unwrap().map(|account| account.user.id)
    };
    assert_eq!(owner(&identity).await, None);
    let link = async |user: UserId| store.link_identity(user, identity.clone(), at(1)).await;
    assert_not_found(link(UserId::random()).await);
    assert_eq!(link(user.id).await.unwrap(), IdentityLink::Linked);
    assert_eq!(link(user.id).await.unwrap(), IdentityLink::Linked, "was so before");
    assert_eq!(link(other.id).await.unwrap(), IdentityLink::Taken);
    assert_eq!(owner(&identity).await, Some(user.id));

    let make = async |email, identity: &ExternalIdentity| {
        let user = new_user(email);
        let session = new_session(user.id, SessionLifetime::Remembered, at(0));
        let made = store.create_account_of_identity(user, session.clone(), identity.clone()).await;
        made.map(|made| (made, session))
    };
    let fresh = fresh_identity();
    let (made, session) = make(fresh_email(), &fresh).await.unwrap();
    assert_eq!(owner(&fresh).await, Some(made.id));
    assert!(lives(store, &session).await);
    let free = fresh_email();
    assert!(matches!(make(free.clone(), &identity).await, Err(StoreError::Conflict(_))), "a taken identity");
    assert!(store.find_account_by_email(&free).await.unwrap().is_none(), "and nothing is left of the account");
    let unused = fresh_identity();
    let taken = gristmill_domain::users::Email::parse(&made.email).unwrap();
    assert!(matches!(make(taken, &unused).await, Err(StoreError::Conflict(_))), "a taken address");
    assert_eq!(owner(&unused).await, None);

    store.delete_account(user.id).await.unwrap();
    assert_eq!(owner(&identity).await, None);
    assert_eq!(link(other.id).await.unwrap(), IdentityLink::Linked, "it is free again");
}

/// What is listed of an identity that was linked then.
fn linked(seconds: i64) -> LinkedIdentity {
    LinkedIdentity { provider: Provider::Google, linked_at: at(seconds), made_account: false }
}

async fn unlinking(store: &impl Store) {
    let (user, _) = somebody(store).await;
    let (other, _) = somebody(store).await;
    let listed = async |user: UserId| store.list_identities(user).await.unwrap();
    let unlink = async |user: UserId| store.unlink_identities(user, Provider::Google).await;
    assert_eq!(listed(user.id).await, []);
    assert_eq!(unlink(user.id).await.unwrap(), IdentityUnlink::NotLinked);
    assert_eq!(listed(UserId::random()).await, []);
    assert_not_found(unlink(UserId::random()).await);

    let (late, early, foreign) = (fresh_identity(), fresh_identity(), fresh_identity());
    // The last one is linked already: nothing changes, not even since when.
    for (user, identity, seconds) in [(&user, &late, 9), (&user, &early, 5), (&other, &foreign, 7), (&user, &early, 20)] {
        assert_eq!(store.link_identity(user.id, identity.clone(), at(seconds)).await.unwrap(), IdentityLink::Linked);
    }
    assert_eq!(listed(user.id).await, [linked(5), linked(9)], "the oldest link first");
    assert_eq!(unlink(user.id).await.unwrap(), IdentityUnlink::Unlinked);
    assert_eq!(listed(user.id).await, []);
    for gone in [&late, &early] {
        assert!(store.find_account_by_identity(gone).await.unwrap().is_none());
    }
    assert_eq!(unlink(user.id).await.unwrap(), IdentityUnlink::NotLinked);
    assert_eq!(listed(other.id).await, [linked(7)], "another's stays");
    assert_eq!(store.link_identity(other.id, late, at(30)).await.unwrap(), IdentityLink::Linked, "it is free again");
}

async fn the_only_way_in(store: &impl Store) {
    let (own, further) = (fresh_identity(), fresh_identity());
    let user = new_user(fresh_email());
    let session = new_session(user.id, SessionLifetime::Remembered, at(0));
    let made = store.create_account_of_identity(user, session, own.clone()).await.unwrap();
    let listed = async || store.list_identities(made.id).await.unwrap();
    let unlink = async || store.unlink_identities(made.id, Provider::Google).await.unwrap();
    let link = async |identity: &ExternalIdentity, seconds: i64| {
        store.link_identity(made.id, identity.clone(), at(seconds)).await.unwrap()
    };
    let first = LinkedIdentity { made_account: true, ..linked(0) };
    assert_eq!((listed().await, unlink().await), (vec![first], IdentityUnlink::LastWay));
    for (identity, seconds) in [(&own, 3), (&further, 4)] {
        assert_eq!(link(identity, seconds).await, IdentityLink::Linked);
        assert_eq!(unlink().await, IdentityUnlink::LastWay);
    }
    assert_eq!(listed().await, [first, linked(4)], "nothing was unlinked");
    let email = EmailChange { email: fresh_email(), verification: None };
    let change = AccountChange { email: Some(email), ..AccountChange::default() };
    store.update_account(made.id, change, at(4)).await.unwrap();
    assert_eq!((listed().await, unlink().await), (vec![first], IdentityUnlink::LastWay), "what was linked is unlinked");
    assert!(store.find_account_by_identity(&further).await.unwrap().is_none());

    // With a password that its owner knows, it is one way of two.
    let reset = one_time(made.id, OneTimePurpose::ResetPassword);
    store.issue_one_time_token(reset.clone()).await.unwrap();
    store.reset_password(reset.token_hash, phc("$two"), at(5)).await.unwrap();
    assert_eq!(unlink().await, IdentityUnlink::NotLinked);
    assert_eq!(link(&own, 6).await, IdentityLink::Linked);
    assert_eq!((listed().await, unlink().await), (vec![linked(6)], IdentityUnlink::Unlinked));
}

async fn codes(store: &impl Store) {
    let (code, other) = (new_code(), new_code());
    for code in [&code, &other] {
        store.issue_sign_in_code(code.clone()).await.unwrap();
    }
    let take = async |hash, seconds| store.take_sign_in_code(hash, at(seconds)).await.unwrap();
    assert_eq!(take(fresh_hash(), 1).await, None);
    assert_eq!(take(code.code_hash, 60).await, None, "expired");
    let expected = SignInCode { client: code.client, profile: code.profile.clone() };
    assert_eq!(take(code.code_hash, 59).await, Some(expected));
    assert_eq!(take(code.code_hash, 59).await, None, "used");
    assert!(take(other.code_hash, 59).await.is_some(), "another's");
}
