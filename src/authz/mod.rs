//! Authorization: may this principal perform this operation?
