// Many tensors in one launch: a block for each chunk of one of them, as gpu/table.rs lays them out.
struct Chunk {
    wide* parts[3];     // where it begins in each of the tensors that belong together
    long long count;    // elements, in each
    long long mark;     // what a room says of the tensor
};
