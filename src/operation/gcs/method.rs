//! The methods of the JSON API by name. What each one is stands in the catalogue.

macro_rules! methods {
    ($($name:ident $id:literal,)+) => {
        /// A method of the JSON API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are those of the API's reference")]
        pub enum Method { $($name,)+ }

        impl Method {
            /// Every method that Google's own clients know.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The id in the API's reference: `storage.objects.get`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }
        }
    };
}

methods! {
    ObjectsGet "storage.objects.get",
    ObjectsList "storage.objects.list",
    ObjectsInsert "storage.objects.insert",
    ObjectsDelete "storage.objects.delete",
    ObjectsPatch "storage.objects.patch",
    ObjectsUpdate "storage.objects.update",
    ObjectsCopy "storage.objects.copy",
    ObjectsRewrite "storage.objects.rewrite",
    ObjectsMove "storage.objects.move",
    ObjectsCompose "storage.objects.compose",
    ObjectsRestore "storage.objects.restore",
    ObjectsBulkRestore "storage.objects.bulkRestore",
    ObjectsWatchAll "storage.objects.watchAll",
    ObjectsGetIamPolicy "storage.objects.getIamPolicy",
    ObjectsSetIamPolicy "storage.objects.setIamPolicy",
    ObjectsTestIamPermissions "storage.objects.testIamPermissions",
    ObjectAccessControlsDelete "storage.objectAccessControls.delete",
    ObjectAccessControlsGet "storage.objectAccessControls.get",
    ObjectAccessControlsInsert "storage.objectAccessControls.insert",
    ObjectAccessControlsList "storage.objectAccessControls.list",
    ObjectAccessControlsPatch "storage.objectAccessControls.patch",
    ObjectAccessControlsUpdate "storage.objectAccessControls.update",
    BucketsGet "storage.buckets.get",
    BucketsList "storage.buckets.list",
    BucketsInsert "storage.buckets.insert",
    BucketsDelete "storage.buckets.delete",
    BucketsPatch "storage.buckets.patch",
    BucketsUpdate "storage.buckets.update",
    BucketsGetStorageLayout "storage.buckets.getStorageLayout",
    BucketsGetIamPolicy "storage.buckets.getIamPolicy",
    BucketsSetIamPolicy "storage.buckets.setIamPolicy",
    BucketsTestIamPermissions "storage.buckets.testIamPermissions",
    BucketsLockRetentionPolicy "storage.buckets.lockRetentionPolicy",
    BucketsRelocate "storage.buckets.relocate",
    BucketsRestore "storage.buckets.restore",
    OperationsAdvanceRelocateBucket "storage.buckets.operations.advanceRelocateBucket",
    OperationsCancel "storage.buckets.operations.cancel",
    OperationsGet "storage.buckets.operations.get",
    OperationsList "storage.buckets.operations.list",
    BucketAccessControlsDelete "storage.bucketAccessControls.delete",
    BucketAccessControlsGet "storage.bucketAccessControls.get",
    BucketAccessControlsInsert "storage.bucketAccessControls.insert",
    BucketAccessControlsList "storage.bucketAccessControls.list",
    BucketAccessControlsPatch "storage.bucketAccessControls.patch",
    BucketAccessControlsUpdate "storage.bucketAccessControls.update",
    DefaultObjectAccessControlsDelete "storage.defaultObjectAccessControls.delete",
    DefaultObjectAccessControlsGet "storage.defaultObjectAccessControls.get",
    DefaultObjectAccessControlsInsert "storage.defaultObjectAccessControls.insert",
    DefaultObjectAccessControlsList "storage.defaultObjectAccessControls.list",
    DefaultObjectAccessControlsPatch "storage.defaultObjectAccessControls.patch",
    DefaultObjectAccessControlsUpdate "storage.defaultObjectAccessControls.update",
    NotificationsDelete "storage.notifications.delete",
    NotificationsGet "storage.notifications.get",
    NotificationsInsert "storage.notifications.insert",
    NotificationsList "storage.notifications.list",
    FoldersDelete "storage.folders.delete",
    FoldersGet "storage.folders.get",
    FoldersInsert "storage.folders.insert",
    FoldersList "storage.folders.list",
    FoldersRename "storage.folders.rename",
    ManagedFoldersDelete "storage.managedFolders.delete",
    ManagedFoldersGet "storage.managedFolders.get",
    ManagedFoldersGetIamPolicy "storage.managedFolders.getIamPolicy",
    ManagedFoldersInsert "storage.managedFolders.insert",
    ManagedFoldersList "storage.managedFolders.list",
    ManagedFoldersSetIamPolicy "storage.managedFolders.setIamPolicy",
    ManagedFoldersTestIamPermissions "storage.managedFolders.testIamPermissions",
    AnywhereCachesDisable "storage.anywhereCaches.disable",
    AnywhereCachesGet "storage.anywhereCaches.get",
    AnywhereCachesInsert "storage.anywhereCaches.insert",
    AnywhereCachesList "storage.anywhereCaches.list",
    AnywhereCachesPause "storage.anywhereCaches.pause",
    AnywhereCachesResume "storage.anywhereCaches.resume",
    AnywhereCachesUpdate "storage.anywhereCaches.update",
    ChannelsStop "storage.channels.stop",
    HmacKeysCreate "storage.projects.hmacKeys.create",
    HmacKeysDelete "storage.projects.hmacKeys.delete",
    HmacKeysGet "storage.projects.hmacKeys.get",
    HmacKeysList "storage.projects.hmacKeys.list",
    HmacKeysUpdate "storage.projects.hmacKeys.update",
    ServiceAccountGet "storage.projects.serviceAccount.get",
}
