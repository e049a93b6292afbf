-- What was made of some documents only is of no use to a server that knows nothing of this table.
delete from document_vectors where document_id in (select document_id from documents where embedding_model is null);
drop table vector_work;
drop index documents_embedding_idx;
