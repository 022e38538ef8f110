//! One program for all integration tests, because each program links everything again.

mod golden;
