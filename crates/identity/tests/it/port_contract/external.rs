//! What a store must do with identities at other providers and the codes of sign-ins.

use gristmill_domain::{
    UserId,
    identity::{
        ClientBinding, DisplayName, ExternalIdentity, ExternalProfile, IdentityLink, NewSignInCode, Provider, ProviderSubject,
        SessionLifetime, SignInCode,
    },
    ports::StoreError,
};

use super::{Store, assert_not_found, at, fresh_email, fresh_hash, lives, new_session, new_user, somebody};

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
