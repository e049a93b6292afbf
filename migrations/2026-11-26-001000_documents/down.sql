drop table document_vectors;
drop table document_chunks;
drop table documents;
