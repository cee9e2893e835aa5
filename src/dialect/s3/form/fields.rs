//! The fields of a form: each name once, whatever its case, and bounded together.

use super::super::error::S3Error;

/// As at S3: everything before the file, without the policy.
pub(super) const LIMIT: usize = 20 << 10;
/// The policy names every field again, the session token among them, and is base64 of that.
pub(super) const POLICY_LIMIT: usize = 32 << 10;
/// What replaced variables may make of the fields.
const EXPANDED_LIMIT: usize = 64 << 10;
const FILENAME: &str = "${filename}";
/// Fields that authenticate the form: what they say is taken as it is.
const VERBATIM: [&str; 6] = [
    "policy",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];

/// Names in lower case and values, in the order of the form.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(Box<str>, Box<str>)>);

impl Fields {
    /// Adds a field.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that comes twice: two readers could take two values.
    pub(super) fn insert(&mut self, name: &str, value: &str) -> Result<(), S3Error> {
        let name = name.to_ascii_lowercase();
        if self.get(&name).is_some() {
            return Err(S3Error::invalid_argument(format!(
                "the form field `{name}` is given twice; give it once"
            ))
            .with("ArgumentName", name));
        }
        self.0.push((name.into(), value.into()));
        Ok(())
    }

    /// A field's value; `name` in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// A field that the form must have.
    ///
    /// # Errors
    /// `InvalidArgument`, in S3's words.
    pub(super) fn required(&self, name: &str) -> Result<&str, S3Error> {
        self.get(name).ok_or_else(|| {
            S3Error::invalid_argument(format!(
                "Bucket POST must contain a field named '{name}'. If it is specified, please check the order of the fields."
            ))
            .with("ArgumentName", name)
        })
    }

    /// Puts the name of the file in the place of `${filename}`. Of a path only what follows its last slash or
    /// backslash counts, as at S3: a form cannot be led out of the prefix that its policy gives it.
    ///
    /// # Errors
    /// `MaxPostPreDataLengthExceededError` if the fields grow too large.
    pub(super) fn name_the_file(&mut self, path: &str) -> Result<(), S3Error> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut total = 0_usize;
        for (field, value) in &mut self.0 {
            if !VERBATIM.contains(&&**field) && value.contains(FILENAME) {
                let grown = value.matches(FILENAME).count().saturating_mul(name.len());
                total = total.saturating_add(grown);
                if total > EXPANDED_LIMIT {
                    return Err(too_large());
                }
                *value = value.replace(FILENAME, name).into();
            }
        }
        Ok(())
    }
}

/// The refusal of fields that are larger than S3 takes.
pub(super) fn too_large() -> S3Error {
    S3Error::max_post_pre_data_length(
        "Your POST request fields preceding the upload file were too large: 20480 bytes at most, and a policy of 32768.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // AUZ-14
    #[test]
    fn a_field_counts_once_whatever_its_case() {
        let mut fields = Fields::default();
        fields.insert("Key", "a").unwrap();
        assert_eq!(fields.get("key"), Some("a"));
        for twice in ["key", "KEY", "Key"] {
            assert_eq!(fields.insert(twice, "b").unwrap_err().code, "InvalidArgument");
        }
        assert_eq!(fields.required("policy").unwrap_err().code, "InvalidArgument");
    }

    // AUZ-14
    #[test]
    fn only_the_last_segment_of_a_file_name_is_put_in() {
        let check = |path: &str, expected: &str| {
            let mut fields = Fields::default();
            fields.insert("key", "in/${filename}").unwrap();
            fields.insert("policy", "${filename}").unwrap();
            fields.name_the_file(path).unwrap();
            assert_eq!(fields.get("key"), Some(expected), "{path}");
            assert_eq!(fields.get("policy"), Some("${filename}"));
        };
        check("a.txt", "in/a.txt");
        check("", "in/");
        check("../../secret/a.txt", "in/a.txt");
        check(r"C:\Users\ana\a.txt", "in/a.txt");
        check("a/", "in/");
        check("..", "in/..");
        check("${filename}", "in/${filename}");
    }

    #[test]
    fn variables_cannot_make_fields_grow_without_end() {
        let mut fields = Fields::default();
        fields.insert("key", &"${filename}".repeat(1000)).unwrap();
        let refused = fields.name_the_file(&"n".repeat(1000)).unwrap_err();
        assert_eq!(refused.code, "MaxPostPreDataLengthExceededError");
    }
}
