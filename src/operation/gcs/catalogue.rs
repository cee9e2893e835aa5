//! The catalogue of the JSON API: one row for each method, with everything that may cross and everything it needs.
//!
//! The hazard is the one of S3's catalogue: a method or a parameter that one side knows and the other does not. What has
//! no row does not exist here, a parameter that no row lists is refused, and the match has no wildcard.

use super::Method;
use crate::operation::Action;

/// One row of the catalogue.
pub(crate) struct Row {
    /// The HTTP method.
    pub(crate) method: &'static str,
    /// The path below `/storage/v1/`, as in the API's reference: `b/{bucket}/o/{object}`.
    pub(crate) path: &'static str,
    /// Query parameters that cross to the target, besides `fields` where there is a document in the answer.
    pub(crate) parameters: &'static [&'static str],
    /// Query parameters that end here: what is read here, what the configuration says instead, and what clients say along.
    pub(crate) own: &'static [&'static str],
    /// What the body is.
    pub(crate) sent: Sent,
    /// What becomes of it.
    pub(crate) handling: Handling,
    /// What it needs, besides what its parameters and its document ask.
    pub(crate) rights: &'static [Right],
    /// What the target's answer is.
    pub(crate) answer: Answer,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It goes to the target, if policy allows it.
    Forwarded,
    /// Answered from what is known here.
    Answered,
    /// Never served. The text says why and what to do instead.
    Refused(&'static str),
}

/// A right that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// To the bucket.
    Bucket(Action),
    /// To the object.
    Object(Action),
    /// To the object: the first for the live version, the second for a generation that is named.
    Version(Action, Action),
    /// To list the bucket, or its versions where the call asks for those.
    Listing,
    /// To read each source.
    Sources,
    /// To delete each source.
    SourcesGo,
    /// For each setting that the document has: an action of its own.
    Settings,
    /// Some right in the bucket, whichever: the answer tells the caller about its own rights only.
    Known,
    /// None: the answer is made from what policy lets the caller see.
    Visible,
}

/// What a call's request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// There is none.
    Nothing,
    /// The metadata of an object; there may be none.
    Object,
    /// Sources to be put together.
    Compose,
    /// Object bytes with or without metadata, in one of the upload protocols.
    Media,
    /// A new bucket.
    NewBucket,
    /// Settings of a bucket, each of which is a right of its own.
    Bucket,
    /// An access control, a policy or a notification: passed on member by member.
    Setting,
}

/// What a target answers to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is never asked.
    None,
    /// Nothing: 204.
    Nothing,
    /// The metadata of an object, or its bytes where those are asked for.
    Object,
    /// A page of objects.
    Objects,
    /// How far a rewrite got.
    Rewrite,
    /// A setting, or a list of such, with the names of bucket and object in it.
    Setting,
}

const NO_CACHES: &str =
    "caches belong to whoever pays for the bucket: set them with the tools of Google Cloud";
const NO_KEYS: &str =
    "a key of Google's would work there without Tidegate: exchange an identity token for a session";
const NO_PROJECT: &str = "projects are not served: use the tools of Google Cloud";
const NO_RELOCATION: &str = "where a bucket is, the configuration says: use the tools of Google Cloud";
const NO_FOLDERS: &str = "buckets have no folders of their own here, as `storageLayout` says: use names with a `/`, as in every flat bucket";
const NO_FOLDER_RIGHTS: &str =
    "rights are in the bucket's policy file, also those of folders: ask its admin to change that";

const GENERATIONS: [&str; 4] = [
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
];
const GET: &[&str] = &[
    "generation",
    GENERATIONS[0],
    GENERATIONS[1],
    GENERATIONS[2],
    GENERATIONS[3],
    "softDeleted",
    "restoreToken",
];
const CHANGE: &[&str] = &[
    "generation",
    GENERATIONS[0],
    GENERATIONS[1],
    GENERATIONS[2],
    GENERATIONS[3],
    "overrideUnlockedRetention",
    "predefinedAcl",
];
const COPY: &[&str] = &[
    "destinationKmsKeyName",
    "destinationPredefinedAcl",
    GENERATIONS[0],
    GENERATIONS[1],
    GENERATIONS[2],
    GENERATIONS[3],
    "ifSourceGenerationMatch",
    "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch",
    "sourceGeneration",
];
const REWRITE: &[&str] = &[
    "destinationKmsKeyName",
    "destinationPredefinedAcl",
    GENERATIONS[0],
    GENERATIONS[1],
    GENERATIONS[2],
    GENERATIONS[3],
    "ifSourceGenerationMatch",
    "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch",
    "maxBytesRewrittenPerCall",
    "rewriteToken",
    "sourceGeneration",
];
const MOVE: &[&str] = &[
    GENERATIONS[0],
    GENERATIONS[1],
    GENERATIONS[2],
    GENERATIONS[3],
    "ifSourceGenerationMatch",
    "ifSourceGenerationNotMatch",
    "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch",
];
const METAGENERATIONS: &[&str] = &[GENERATIONS[2], GENERATIONS[3]];

/// Forwarded, without a body, of which nothing may cross but the names.
const fn row(method: &'static str, path: &'static str, rights: &'static [Right], answer: Answer) -> Row {
    Row {
        method,
        path,
        parameters: &[],
        own: &[],
        sent: Sent::Nothing,
        handling: Handling::Forwarded,
        rights,
        answer,
    }
}

const fn refused(method: &'static str, path: &'static str, why: &'static str) -> Row {
    Row {
        handling: Handling::Refused(why),
        ..row(method, path, &[], Answer::None)
    }
}

const fn answered(method: &'static str, path: &'static str, rights: &'static [Right]) -> Row {
    Row {
        handling: Handling::Answered,
        ..row(method, path, rights, Answer::None)
    }
}

/// An access control, a policy or a notification: only managers, and not within a folder.
const fn setting(method: &'static str, path: &'static str, rights: &'static [Right]) -> Row {
    row(method, path, rights, Answer::Setting)
}

const fn changed(method: &'static str, path: &'static str, rights: &'static [Right]) -> Row {
    Row {
        sent: Sent::Setting,
        ..setting(method, path, rights)
    }
}

/// A row in the program's constants.
macro_rules! constant {
    ($row:expr) => {
        const { &$row }
    };
}

impl Method {
    /// Whether it reads and nothing else.
    pub fn is_read_only(self) -> bool {
        self.row().method == "GET"
    }

    /// The catalogue's row.
    #[allow(clippy::too_many_lines, reason = "it is the table")]
    pub(crate) fn row(self) -> &'static Row {
        const OBJECT: &str = "b/{bucket}/o/{object}";
        // At Google they name projects and service accounts: only who may set them sees them.
        const READ_ACL: &[Right] = &[
            Right::Version(Action::GetObjectAcl, Action::GetObjectVersionAcl),
            Right::Version(Action::PutObjectAcl, Action::PutObjectVersionAcl),
        ];
        const SET_ACL: &[Right] = &[Right::Version(Action::PutObjectAcl, Action::PutObjectVersionAcl)];
        const READ_BUCKET_ACL: &[Right] = &[
            Right::Bucket(Action::GetBucketAcl),
            Right::Bucket(Action::PutBucketAcl),
        ];
        const SET_BUCKET_ACL: &[Right] = &[Right::Bucket(Action::PutBucketAcl)];
        const NOTIFY: &[Right] = &[Right::Bucket(Action::PutBucketNotification)];
        const NOTIFIES: &[Right] = &[Right::Bucket(Action::GetBucketNotification)];
        const REWRITES: &[Right] = &[Right::Sources, Right::Object(Action::PutObject)];
        match self {
            Self::ObjectsGet => constant!(Row {
                parameters: GET,
                ..row(
                    "GET",
                    OBJECT,
                    &[Right::Version(Action::GetObject, Action::GetObjectVersion)],
                    Answer::Object
                )
            }),
            Self::ObjectsList => constant!(Row {
                parameters: &[
                    "delimiter",
                    "endOffset",
                    "includeFoldersAsPrefixes",
                    "includeTrailingDelimiter",
                    "matchGlob",
                    "maxResults",
                    "pageToken",
                    "prefix",
                    "softDeleted",
                    "startOffset",
                    "versions",
                ],
                // How a client goes through it, which it says to the store as well.
                own: &["autoPaginate", "force"],
                ..row("GET", "b/{bucket}/o", &[Right::Listing], Answer::Objects)
            }),
            Self::ObjectsInsert => constant!(Row {
                parameters: &[
                    "contentEncoding",
                    GENERATIONS[0],
                    GENERATIONS[1],
                    GENERATIONS[2],
                    GENERATIONS[3],
                    "kmsKeyName",
                    "predefinedAcl",
                ],
                own: &["name", "upload_id"],
                sent: Sent::Media,
                ..row(
                    "POST",
                    "b/{bucket}/o",
                    &[Right::Object(Action::PutObject)],
                    Answer::Object
                )
            }),
            Self::ObjectsDelete => constant!(Row {
                parameters: &[
                    "generation",
                    GENERATIONS[0],
                    GENERATIONS[1],
                    GENERATIONS[2],
                    GENERATIONS[3],
                ],
                // Said along by a client that deletes what it listed.
                own: &[
                    "autoPaginate",
                    "delimiter",
                    "force",
                    "matchGlob",
                    "maxResults",
                    "prefix",
                    "versions",
                ],
                ..row(
                    "DELETE",
                    OBJECT,
                    &[Right::Version(Action::DeleteObject, Action::DeleteObjectVersion)],
                    Answer::Nothing
                )
            }),
            Self::ObjectsPatch => constant!(Row {
                parameters: CHANGE,
                sent: Sent::Object,
                ..row("PATCH", OBJECT, CHANGES, Answer::Object)
            }),
            Self::ObjectsUpdate => constant!(Row {
                parameters: CHANGE,
                sent: Sent::Object,
                ..row("PUT", OBJECT, REPLACES, Answer::Object)
            }),
            Self::ObjectsCopy => constant!(Row {
                parameters: COPY,
                sent: Sent::Object,
                ..row(
                    "POST",
                    "b/{sourceBucket}/o/{sourceObject}/copyTo/b/{bucket}/o/{object}",
                    REWRITES,
                    Answer::Object
                )
            }),
            Self::ObjectsRewrite => constant!(Row {
                parameters: REWRITE,
                sent: Sent::Object,
                ..row(
                    "POST",
                    "b/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{bucket}/o/{object}",
                    REWRITES,
                    Answer::Rewrite
                )
            }),
            Self::ObjectsMove => constant!(Row {
                parameters: MOVE,
                // Empty, or a document of nothing.
                sent: Sent::Object,
                ..row(
                    "POST",
                    "b/{bucket}/o/{sourceObject}/moveTo/o/{object}",
                    &[Right::Sources, Right::SourcesGo, Right::Object(Action::PutObject)],
                    Answer::Object
                )
            }),
            Self::ObjectsCompose => constant!(Row {
                parameters: &[
                    "destinationPredefinedAcl",
                    GENERATIONS[0],
                    GENERATIONS[2],
                    "kmsKeyName",
                ],
                sent: Sent::Compose,
                ..row("POST", "b/{bucket}/o/{object}/compose", REWRITES, Answer::Object)
            }),
            Self::ObjectsRestore => constant!(Row {
                parameters: &[
                    "copySourceAcl",
                    "generation",
                    GENERATIONS[0],
                    GENERATIONS[1],
                    GENERATIONS[2],
                    GENERATIONS[3],
                    "restoreToken",
                ],
                sent: Sent::Object,
                ..row(
                    "POST",
                    "b/{bucket}/o/{object}/restore",
                    &[
                        Right::Object(Action::GetObjectVersion),
                        Right::Object(Action::PutObject)
                    ],
                    Answer::Object
                )
            }),
            Self::ObjectsBulkRestore => constant!(refused(
                "POST",
                "b/{bucket}/o/bulkRestore",
                "what it restores is not known before it is done: restore objects one by one",
            )),
            Self::ObjectsWatchAll => constant!(refused(
                "POST",
                "b/{bucket}/o/watch",
                "it would send names to an address outside: use notifications, which a policy can grant",
            )),
            Self::ObjectsGetIamPolicy => {
                constant!(Row {
                    parameters: &["generation"],
                    ..setting("GET", "b/{bucket}/o/{object}/iam", READ_ACL)
                })
            }
            Self::ObjectsSetIamPolicy => constant!(Row {
                parameters: &["generation"],
                ..changed("PUT", "b/{bucket}/o/{object}/iam", SET_ACL)
            }),
            Self::ObjectsTestIamPermissions => constant!(Row {
                // Who may do something to an object may do it to each generation that it may name.
                own: &["generation", "permissions"],
                ..answered(
                    "GET",
                    "b/{bucket}/o/{object}/iam/testPermissions",
                    &[Right::Visible]
                )
            }),
            Self::ObjectAccessControlsDelete => constant!(Row {
                parameters: &["generation"],
                answer: Answer::Nothing,
                ..setting("DELETE", "b/{bucket}/o/{object}/acl/{entity}", SET_ACL)
            }),
            Self::ObjectAccessControlsGet => constant!(Row {
                parameters: &["generation"],
                ..setting("GET", "b/{bucket}/o/{object}/acl/{entity}", READ_ACL)
            }),
            Self::ObjectAccessControlsInsert => constant!(Row {
                parameters: &["generation"],
                ..changed("POST", "b/{bucket}/o/{object}/acl", SET_ACL)
            }),
            Self::ObjectAccessControlsList => constant!(Row {
                parameters: &["generation"],
                ..setting("GET", "b/{bucket}/o/{object}/acl", READ_ACL)
            }),
            Self::ObjectAccessControlsPatch => constant!(Row {
                parameters: &["generation"],
                ..changed("PATCH", "b/{bucket}/o/{object}/acl/{entity}", SET_ACL)
            }),
            Self::ObjectAccessControlsUpdate => constant!(Row {
                parameters: &["generation"],
                ..changed("PUT", "b/{bucket}/o/{object}/acl/{entity}", SET_ACL)
            }),
            // It says no more than the list of buckets. Where callers make the bucket, the target says whether it is there.
            Self::BucketsGet => constant!(Row {
                // There is one generation of a bucket, and none that was deleted softly.
                own: &["generation", "softDeleted"],
                answer: Answer::Setting,
                ..answered("GET", "b/{bucket}", &[Right::Known])
            }),
            Self::BucketsList => constant!(Row {
                parameters: &["maxResults", "pageToken", "prefix", "project"],
                // None is out of reach, and none was deleted softly.
                own: &["returnPartialSuccess", "softDeleted"],
                ..answered("GET", "b", &[Right::Visible])
            }),
            Self::BucketsInsert => constant!(Row {
                // Those of the target count.
                own: &[
                    "enableObjectRetention",
                    "predefinedAcl",
                    "predefinedDefaultObjectAcl",
                    "project",
                ],
                sent: Sent::NewBucket,
                answer: Answer::Setting,
                ..answered("POST", "b", &[Right::Bucket(Action::CreateBucket)])
            }),
            Self::BucketsDelete => constant!(Row {
                parameters: METAGENERATIONS,
                answer: Answer::Nothing,
                ..answered("DELETE", "b/{bucket}", &[Right::Bucket(Action::DeleteBucket)])
            }),
            Self::BucketsPatch => constant!(Row {
                parameters: METAGENERATIONS,
                sent: Sent::Bucket,
                ..row("PATCH", "b/{bucket}", &[Right::Settings], Answer::Setting)
            }),
            Self::BucketsUpdate => constant!(refused(
                "PUT",
                "b/{bucket}",
                "it sets everything at once, also what the configuration says: change single settings with PATCH",
            )),
            Self::BucketsGetStorageLayout => constant!(Row {
                parameters: &["prefix"],
                ..answered("GET", "b/{bucket}/storageLayout", &[Right::Listing])
            }),
            Self::BucketsGetIamPolicy => constant!(Row {
                own: &["optionsRequestedPolicyVersion"],
                ..answered("GET", "b/{bucket}/iam", &[Right::Known])
            }),
            Self::BucketsSetIamPolicy => constant!(changed(
                "PUT",
                "b/{bucket}/iam",
                &[Right::Bucket(Action::PutBucketPolicy)]
            )),
            Self::BucketsTestIamPermissions => constant!(Row {
                own: &["permissions"],
                ..answered("GET", "b/{bucket}/iam/testPermissions", &[Right::Visible])
            }),
            Self::BucketsLockRetentionPolicy => constant!(Row {
                parameters: METAGENERATIONS,
                ..setting(
                    "POST",
                    "b/{bucket}/lockRetentionPolicy",
                    &[Right::Bucket(Action::PutBucketObjectLockConfiguration)],
                )
            }),
            Self::BucketsRelocate => constant!(refused("POST", "b/{bucket}/relocate", NO_RELOCATION)),
            Self::BucketsRestore => constant!(refused("POST", "b/{bucket}/restore", NO_RELOCATION)),
            Self::OperationsAdvanceRelocateBucket => constant!(refused(
                "POST",
                "b/{bucket}/operations/{operationId}/advanceRelocateBucket",
                NO_RELOCATION
            )),
            Self::OperationsCancel => constant!(refused(
                "POST",
                "b/{bucket}/operations/{operationId}/cancel",
                NO_RELOCATION
            )),
            Self::OperationsGet => {
                constant!(refused(
                    "GET",
                    "b/{bucket}/operations/{operationId}",
                    NO_RELOCATION
                ))
            }
            Self::OperationsList => constant!(refused("GET", "b/{bucket}/operations", NO_RELOCATION)),
            Self::BucketAccessControlsDelete => constant!(Row {
                answer: Answer::Nothing,
                ..setting("DELETE", "b/{bucket}/acl/{entity}", SET_BUCKET_ACL)
            }),
            Self::BucketAccessControlsGet => {
                constant!(setting("GET", "b/{bucket}/acl/{entity}", READ_BUCKET_ACL))
            }
            Self::BucketAccessControlsInsert => {
                constant!(changed("POST", "b/{bucket}/acl", SET_BUCKET_ACL))
            }
            Self::BucketAccessControlsList => constant!(setting("GET", "b/{bucket}/acl", READ_BUCKET_ACL)),
            Self::BucketAccessControlsPatch => {
                constant!(changed("PATCH", "b/{bucket}/acl/{entity}", SET_BUCKET_ACL))
            }
            Self::BucketAccessControlsUpdate => {
                constant!(changed("PUT", "b/{bucket}/acl/{entity}", SET_BUCKET_ACL))
            }
            Self::DefaultObjectAccessControlsDelete => constant!(Row {
                answer: Answer::Nothing,
                ..setting("DELETE", "b/{bucket}/defaultObjectAcl/{entity}", SET_BUCKET_ACL)
            }),
            Self::DefaultObjectAccessControlsGet => {
                constant!(setting(
                    "GET",
                    "b/{bucket}/defaultObjectAcl/{entity}",
                    READ_BUCKET_ACL
                ))
            }
            Self::DefaultObjectAccessControlsInsert => {
                constant!(changed("POST", "b/{bucket}/defaultObjectAcl", SET_BUCKET_ACL))
            }
            Self::DefaultObjectAccessControlsList => constant!(Row {
                parameters: METAGENERATIONS,
                ..setting("GET", "b/{bucket}/defaultObjectAcl", READ_BUCKET_ACL)
            }),
            Self::DefaultObjectAccessControlsPatch => constant!(changed(
                "PATCH",
                "b/{bucket}/defaultObjectAcl/{entity}",
                SET_BUCKET_ACL
            )),
            Self::DefaultObjectAccessControlsUpdate => constant!(changed(
                "PUT",
                "b/{bucket}/defaultObjectAcl/{entity}",
                SET_BUCKET_ACL
            )),
            Self::NotificationsDelete => constant!(Row {
                answer: Answer::Nothing,
                ..setting("DELETE", "b/{bucket}/notificationConfigs/{notification}", NOTIFY)
            }),
            Self::NotificationsGet => constant!(setting(
                "GET",
                "b/{bucket}/notificationConfigs/{notification}",
                NOTIFIES
            )),
            Self::NotificationsInsert => {
                constant!(changed("POST", "b/{bucket}/notificationConfigs", NOTIFY))
            }
            Self::NotificationsList => {
                constant!(setting("GET", "b/{bucket}/notificationConfigs", NOTIFIES))
            }
            Self::FoldersDelete => constant!(refused("DELETE", "b/{bucket}/folders/{folder}", NO_FOLDERS)),
            // There are none, for whoever asks.
            Self::FoldersGet => constant!(answered("GET", "b/{bucket}/folders/{folder}", &[Right::Known])),
            Self::FoldersInsert => constant!(refused("POST", "b/{bucket}/folders", NO_FOLDERS)),
            Self::FoldersList => constant!(Row {
                parameters: &[
                    "delimiter",
                    "endOffset",
                    "pageSize",
                    "pageToken",
                    "prefix",
                    "startOffset"
                ],
                ..answered("GET", "b/{bucket}/folders", &[Right::Listing])
            }),
            Self::FoldersRename => constant!(refused(
                "POST",
                "b/{bucket}/folders/{sourceFolder}/renameTo/folders/{folder}",
                NO_FOLDERS
            )),
            Self::ManagedFoldersDelete => constant!(refused(
                "DELETE",
                "b/{bucket}/managedFolders/{folder}",
                NO_FOLDER_RIGHTS
            )),
            Self::ManagedFoldersGet => {
                constant!(answered(
                    "GET",
                    "b/{bucket}/managedFolders/{folder}",
                    &[Right::Known]
                ))
            }
            Self::ManagedFoldersGetIamPolicy => constant!(refused(
                "GET",
                "b/{bucket}/managedFolders/{folder}/iam",
                NO_FOLDER_RIGHTS
            )),
            Self::ManagedFoldersInsert => {
                constant!(refused("POST", "b/{bucket}/managedFolders", NO_FOLDER_RIGHTS))
            }
            Self::ManagedFoldersList => constant!(Row {
                parameters: &["pageSize", "pageToken", "prefix"],
                ..answered("GET", "b/{bucket}/managedFolders", &[Right::Listing])
            }),
            Self::ManagedFoldersSetIamPolicy => constant!(refused(
                "PUT",
                "b/{bucket}/managedFolders/{folder}/iam",
                NO_FOLDER_RIGHTS
            )),
            Self::ManagedFoldersTestIamPermissions => constant!(refused(
                "GET",
                "b/{bucket}/managedFolders/{folder}/iam/testPermissions",
                NO_FOLDER_RIGHTS
            )),
            Self::AnywhereCachesDisable => constant!(refused(
                "POST",
                "b/{bucket}/anywhereCaches/{cache}/disable",
                NO_CACHES
            )),
            Self::AnywhereCachesGet => {
                constant!(refused("GET", "b/{bucket}/anywhereCaches/{cache}", NO_CACHES))
            }
            Self::AnywhereCachesInsert => constant!(refused("POST", "b/{bucket}/anywhereCaches", NO_CACHES)),
            Self::AnywhereCachesList => constant!(refused("GET", "b/{bucket}/anywhereCaches", NO_CACHES)),
            Self::AnywhereCachesPause => constant!(refused(
                "POST",
                "b/{bucket}/anywhereCaches/{cache}/pause",
                NO_CACHES
            )),
            Self::AnywhereCachesResume => constant!(refused(
                "POST",
                "b/{bucket}/anywhereCaches/{cache}/resume",
                NO_CACHES
            )),
            Self::AnywhereCachesUpdate => {
                constant!(refused("PATCH", "b/{bucket}/anywhereCaches/{cache}", NO_CACHES))
            }
            Self::ChannelsStop => constant!(refused("POST", "channels/stop", NO_PROJECT)),
            Self::HmacKeysCreate => constant!(refused("POST", "projects/{project}/hmacKeys", NO_KEYS)),
            Self::HmacKeysDelete => {
                constant!(refused("DELETE", "projects/{project}/hmacKeys/{key}", NO_KEYS))
            }
            Self::HmacKeysGet => {
                constant!(refused("GET", "projects/{project}/hmacKeys/{key}", NO_KEYS))
            }
            Self::HmacKeysList => constant!(refused("GET", "projects/{project}/hmacKeys", NO_KEYS)),
            Self::HmacKeysUpdate => {
                constant!(refused("PUT", "projects/{project}/hmacKeys/{key}", NO_KEYS))
            }
            Self::ServiceAccountGet => {
                constant!(refused("GET", "projects/{project}/serviceAccount", NO_PROJECT))
            }
        }
    }
}

/// Metadata is read and written back, as a copy of the object onto itself would in S3.
const CHANGES: &[Right] = &[
    Right::Version(Action::GetObject, Action::GetObjectVersion),
    Right::Object(Action::PutObject),
];

/// What an update does not name is reset: a hold is lifted, contexts are gone. So it needs the right to all that it may reset,
/// whatever its document says.
const REPLACES: &[Right] = &[
    Right::Version(Action::GetObject, Action::GetObjectVersion),
    Right::Object(Action::PutObject),
    Right::Version(Action::PutObjectAcl, Action::PutObjectVersionAcl),
    Right::Object(Action::PutObjectRetention),
    Right::Object(Action::PutObjectLegalHold),
    Right::Version(Action::PutObjectTagging, Action::PutObjectVersionTagging),
];
