-- Whether the account was made by signing in with this identity: then nobody knows its password, and the identity is the only
-- way into it. A new password by letter deletes a user's identities, so this never outlives the random password.
alter table external_identities add column made_account boolean not null default false;
-- Both were written with the same instant.
update external_identities set made_account = true
from users where users.user_id = external_identities.user_id and users.created_at = external_identities.created_at;
