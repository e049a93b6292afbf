alter table external_identities drop column made_account;
