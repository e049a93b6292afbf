//! What a store must do with one-time and personal access tokens.

use std::time::Duration;

use gristmill_domain::{
    TokenId, UserId,
    identity::{OneTimePurpose, TokenCreation, TokenPrefix},
};

use super::{Store, assert_not_found, at, fresh_hash, fresh_prefix, lives, new_token, one_time, phc, somebody};

pub(crate) async fn one_time_tokens(store: &impl Store) {
    let (user, session) = somebody(store).await;
    let (other, other_session) = somebody(store).await;
    let (reset, verify) = (OneTimePurpose::ResetPassword, OneTimePurpose::VerifyEmail);
    let find = async |hash, purpose, seconds| store.find_one_time_token(hash, purpose, at(seconds)).await.unwrap();

    let token = one_time(user.id, reset);
    store.issue_one_time_token(token.clone()).await.unwrap();
    assert_eq!(find(token.token_hash, reset, 99).await, Some(user.id));
    assert_eq!(find(token.token_hash, reset, 100).await, None, "expired");
    assert_eq!(find(token.token_hash, verify, 1).await, None, "another purpose");
    assert_eq!(find(fresh_hash(), reset, 1).await, None);
    assert_not_found(store.issue_one_time_token(one_time(UserId::random(), reset)).await);

    // A newer one replaces it, but not the one of another purpose or user.
    let (newer, of_other, to_verify) = (one_time(user.id, reset), one_time(other.id, reset), one_time(user.id, verify));
    for token in [&of_other, &to_verify, &newer] {
        store.issue_one_time_token(token.clone()).await.unwrap();
    }
    assert_eq!(find(token.token_hash, reset, 1).await, None);
    assert_eq!(find(newer.token_hash, reset, 1).await, Some(user.id));
    assert_eq!(find(of_other.token_hash, reset, 1).await, Some(other.id));
    assert_eq!(find(to_verify.token_hash, verify, 1).await, Some(user.id));

    for (hash, seconds) in [(newer.token_hash, 100), (to_verify.token_hash, 1), (fresh_hash(), 1), (token.token_hash, 1)] {
        assert_eq!(store.reset_password(hash, phc("$two"), at(seconds)).await.unwrap(), None);
    }
    assert!(lives(store, &session).await);
    assert_eq!(store.reset_password(newer.token_hash, phc("$two"), at(50)).await.unwrap(), Some(user.id));
    assert_eq!(store.reset_password(newer.token_hash, phc("$three"), at(50)).await.unwrap(), None, "used");
    assert_eq!(find(newer.token_hash, reset, 50).await, None);
    let account = store.find_account(user.id).await.unwrap().unwrap();
    assert_eq!((account.password_hash.expose(), account.user.updated_at), ("$two", at(50)));
    assert!(!account.user.email_verified);
    assert!(!lives(store, &session).await && lives(store, &other_session).await);

    for (hash, seconds) in [(to_verify.token_hash, 100), (of_other.token_hash, 1), (fresh_hash(), 1)] {
        assert_eq!(store.verify_email(hash, at(seconds)).await.unwrap(), None);
    }
    assert_eq!(store.verify_email(to_verify.token_hash, at(60)).await.unwrap(), Some(user.id));
    assert_eq!(store.verify_email(to_verify.token_hash, at(60)).await.unwrap(), None, "used");
    let user = store.find_account(user.id).await.unwrap().unwrap().user;
    assert_eq!((user.email_verified, user.updated_at), (true, at(60)));
}

pub(crate) async fn personal_tokens(store: &impl Store) {
    let (user, _) = somebody(store).await;
    let (other, _) = somebody(store).await;
    let prefix = fresh_prefix();
    let first = new_token(user.id, &prefix, 0);
    let TokenCreation::Created(made) = store.create_token(first.clone(), 3).await.unwrap() else { panic!() };
    assert_eq!((made.id, made.name.as_str(), &made.prefix, &made.scopes), (first.id, "ci", &first.prefix, &first.scopes));
    assert_eq!((made.created_at, made.expires_at, made.last_used_at), (at(0), at(100), None));
    assert_eq!(store.create_token(new_token(other.id, &prefix, 0), 3).await.unwrap(), TokenCreation::PrefixTaken);
    assert_not_found(store.create_token(new_token(UserId::random(), &fresh_prefix(), 0), 3).await);

    let second = new_token(user.id, &fresh_prefix(), 10);
    store.create_token(second.clone(), 3).await.unwrap();
    store.create_token(new_token(user.id, &fresh_prefix(), 20), 3).await.unwrap();
    assert_eq!(store.create_token(new_token(user.id, &fresh_prefix(), 30), 3).await.unwrap(), TokenCreation::LimitReached);
    assert!(matches!(store.create_token(new_token(other.id, &fresh_prefix(), 30), 3).await.unwrap(), TokenCreation::Created(_)));
    let after_expiry = store.create_token(new_token(user.id, &fresh_prefix(), 100), 3).await.unwrap();
    assert!(matches!(after_expiry, TokenCreation::Created(_)), "expired ones do not count");
    let listed = store.list_tokens(user.id).await.unwrap();
    assert_eq!(listed.iter().map(|token| token.created_at).collect::<Vec<_>>(), [at(100), at(20), at(10), at(0)]);
    assert_eq!(listed[3], made);

    let access = store.find_token(&first.prefix).await.unwrap().unwrap();
    assert_eq!((access.token, access.secret_hash, access.user.id), (made, first.secret_hash, user.id));
    assert!(store.find_token(&TokenPrefix::parse(&fresh_prefix()).unwrap()).await.unwrap().is_none());

    let touch = async |seconds| store.touch_token(first.id, at(seconds), Duration::from_secs(60)).await.unwrap();
    let used = async || store.find_token(&first.prefix).await.unwrap().unwrap().token.last_used_at;
    touch(10).await;
    assert_eq!(used().await, Some(at(10)));
    touch(69).await;
    assert_eq!(used().await, Some(at(10)));
    touch(70).await;
    assert_eq!(used().await, Some(at(70)));
    touch(20).await;
    assert_eq!(used().await, Some(at(70)), "time does not go back");
    store.touch_token(TokenId::random(), at(0), Duration::from_secs(60)).await.unwrap();

    assert_not_found(store.revoke_token(other.id, second.id).await);
    store.revoke_token(user.id, second.id).await.unwrap();
    assert_not_found(store.revoke_token(user.id, second.id).await);
    assert!(store.find_token(&second.prefix).await.unwrap().is_none());
}
