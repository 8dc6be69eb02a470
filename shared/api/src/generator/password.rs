//! Password: random passwords.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::schema::shape;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes random passwords.
    Password = "generators.external-secrets.io" / "v1alpha1" / ("Password"),
    "passwords", NamespaceResourceScope, PasswordSpec, NoStatus
}

wire_enum! {
    /// How a password is written down.
    #[derive(Default)]
    PasswordEncoding {
        /// Standard base64.
        Base64 = "base64",
        /// URL-safe base64.
        Base64Url = "base64url",
        /// Base32.
        Base32 = "base32",
        /// Hexadecimal digits.
        Hex = "hex",
        /// As it is.
        #[default]
        Raw = "raw",
    }
}

/// The form of the passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["allowRepeat", "length", "noUpper"]))]
pub struct PasswordSpec {
    /// Number of characters.
    #[serde(default = "length")]
    #[schemars(schema_with = "shape::integer", extend("default" = 24))]
    pub length: i64,
    /// Number of digits among them. Without it a quarter of the length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub digits: Option<i64>,
    /// Number of symbols among them. Without it a quarter of the length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub symbols: Option<i64>,
    /// The symbols to choose from. Without it all printable ones of ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_characters: Option<String>,
    /// Leaves out capital letters.
    #[serde(default)]
    pub no_upper: bool,
    /// Lets a character come twice.
    #[serde(default)]
    pub allow_repeat: bool,
    /// Keys, each of which gets a password of its own. Without any `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1))]
    pub secret_keys: Option<Vec<String>>,
    /// How each password is written down: `raw`, `base64`, `base64url`, `base32` or `hex`.
    #[serde(default)]
    pub encoding: PasswordEncoding,
}

const fn length() -> i64 {
    24
}

impl Default for PasswordSpec {
    fn default() -> Self {
        Self {
            length: length(),
            digits: None,
            symbols: None,
            symbol_characters: None,
            no_upper: false,
            allow_repeat: false,
            secret_keys: None,
            encoding: PasswordEncoding::Raw,
        }
    }
}
