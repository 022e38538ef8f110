//! Models on disk: what there is, where it is, how to fetch it.
