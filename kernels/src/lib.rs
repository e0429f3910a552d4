//! Every numerical operation, one room each.
