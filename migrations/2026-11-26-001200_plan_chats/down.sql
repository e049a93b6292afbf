drop table plan_chats;
