//! Widgets that several pages share; each a function of `&mut Ui`.
