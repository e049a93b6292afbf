drop table sign_in_codes;
drop table external_identities;
