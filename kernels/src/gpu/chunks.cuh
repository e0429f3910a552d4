// Many tensors in one launch: a block for each chunk of one of them, as gpu/table.rs writes them.
struct Chunk {
    Acc* parts[3];     // where it begins in each of the tensors that belong together
    long long count;    // elements, in each
    long long mark;     // an operation's flag for the tensor
};
