//! stand-in
pub fn limit_threads(_: usize) {}
pub fn default_threads() -> usize {
    1
}
pub fn name() -> String {
    "CPU".into()
}
