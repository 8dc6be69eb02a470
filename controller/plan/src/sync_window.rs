//! SIGNATURES: none needed by the controller; to be written by this file's owner.
