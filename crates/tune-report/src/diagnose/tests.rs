//! Golden texts of a diagnosis.
