drop table deployment_rates;
drop table deployment_hours;
drop table prediction_logs;
drop table deployment_api_keys;
drop table deployments;
drop function announce_deployment;
drop function reserve_requests;
