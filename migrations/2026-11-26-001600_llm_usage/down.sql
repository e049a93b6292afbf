drop table llm_usage;
