//! What must come through: every mode, every split, every framing, and how bodies end.

use super::*;

// The two published examples: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
// `sigv4-streaming-trailers.html`, 66,560 bytes in chunks of 64 KiB.
#[tokio::test]
async fn the_published_examples_verify() {
    let payload = vec![b'a'; 66_560];
    let published = [
        (
            PayloadMode::SignedChunks,
            SEED,
            [
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
            "\r\n".to_owned(),
        ),
        (
            PayloadMode::SignedChunksTrailer,
            TRAILER_SEED,
            [
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ],
            "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
             d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (mode, seed, signatures, end) in published {
        let mut wire = Vec::new();
        for (chunk, signature) in payload.chunks(65_536).chain([&[][..]]).zip(signatures) {
            wire.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
            if !chunk.is_empty() {
                wire.extend(chunk.iter().chain(b"\r\n"));
            }
        }
        wire.extend(end.bytes());
        let mut declared = declared(mode, payload.len());
        declared.trailer = (mode == PayloadMode::SignedChunksTrailer).then_some(ChecksumAlgorithm::Crc32c);
        let upload = Upload { wire, declared, seed };
        for frame in [1, 1000, 65_536, 1 << 20] {
            let (seen, end) = upload.run(frame).await;
            assert!(end.is_ok(), "{mode:?}: {end:?}");
            assert_eq!(seen, payload);
        }
        let other = Upload {
            seed: "0000000000000000000000000000000000000000000000000000000000000000",
            ..upload
        };
        assert_eq!(other.refused("seed").await, PayloadError::ChunkSignature);
    }
}

// STR-07
#[tokio::test]
async fn every_split_of_every_mode_gives_the_payload() {
    let payload = b"hello\r\n0\r\n\r\nworld";
    for mode in modes(payload) {
        let upload = Upload::new(mode, payload, 7);
        for frame in 1..=upload.wire.len() {
            let (seen, end) = upload.run(frame).await;
            assert!(end.is_ok(), "{mode:?} by {frame}: {end:?}");
            assert_eq!(seen, payload);
        }
        for at in 0..=upload.wire.len() {
            let (left, right) = upload.wire.split_at(at);
            let (seen, end) = drain(upload.body(caller([left, right]), Outgoing::Raw)).await;
            assert!(end.is_ok() && seen == payload, "{mode:?} at {at}");
        }
    }
}

#[tokio::test]
async fn the_last_byte_waits_for_the_end_and_the_others_do_not() {
    let frames = [&b"hello"[..], b"world"];
    let mut silent = caller(frames);
    silent.end = End::Silence;
    let mut body = verified(
        silent,
        declared(PayloadMode::Unsigned, 10),
        Enforced::NONE,
        None,
        Outgoing::Raw,
        STALL,
        Arc::default(),
    );
    let first = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "hello");
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(http_body::Body::poll_frame(Pin::new(&mut body), &mut cx).is_pending());
    assert!(!http_body::Body::is_end_stream(&body));
}

#[tokio::test]
async fn a_caller_that_breaks_off_or_stands_still_is_told_apart() {
    let run = async |end, stall| {
        let mut frames = caller([&b"hello"[..]]);
        frames.end = end;
        let declared = declared(PayloadMode::Unsigned, 10);
        drain(verified(
            frames,
            declared,
            Enforced::NONE,
            None,
            Outgoing::Raw,
            stall,
            Arc::default(),
        ))
        .await
        .1
    };
    assert!(matches!(run(End::Error, STALL).await, Err(BodyError::Caller(_))));
    // Timers have a resolution of a millisecond: zero is over at once.
    let zero = Duration::ZERO;
    assert!(matches!(run(End::Silence, zero).await, Err(BodyError::Stalled(limit)) if limit == zero));
}

#[tokio::test]
async fn trailers_of_http_are_dropped() {
    let mut frames = caller([&b"hello"[..]]);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-amz-meta-a", http::HeaderValue::from_static("b"));
    frames.frames.push_back(Frame::trailers(trailers));
    let declared = declared(PayloadMode::Unsigned, 5);
    let body = verified(
        frames,
        declared,
        Enforced::NONE,
        None,
        Outgoing::Raw,
        STALL,
        Arc::default(),
    );
    let (seen, end) = drain(body).await;
    assert!(end.is_ok() && seen == b"hello");
}

#[tokio::test]
async fn received_bytes_are_counted_without_framing() {
    let upload = Upload::new(PayloadMode::SignedChunks, b"hello world", 4);
    let received = Arc::new(AtomicU64::new(0));
    let chain = Signer::new(SEED).chain();
    let frames = caller([&upload.wire[..]]);
    let counter = Arc::clone(&received);
    drain(verified(
        frames,
        upload.declared,
        Enforced::NONE,
        chain,
        Outgoing::Raw,
        STALL,
        counter,
    ))
    .await
    .1
    .unwrap();
    assert_eq!(received.load(Ordering::Relaxed), 11);
}

#[tokio::test]
async fn raw_frames_and_large_chunks_are_not_copied() {
    let payload = Bytes::from(vec![b'x'; 4096]);
    let mut frames = caller([]);
    frames.frames.push_back(Frame::data(payload.clone()));
    let declared = declared(PayloadMode::Unsigned, 4096);
    let mut body = verified(
        frames,
        declared,
        Enforced::NONE,
        None,
        Outgoing::Raw,
        STALL,
        Arc::default(),
    );
    let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
    assert_eq!(
        frame.unwrap().unwrap().into_data().unwrap().as_ptr(),
        payload.as_ptr()
    );
}

#[tokio::test]
async fn an_empty_payload_is_verified_before_anything_is_sent() {
    let run = async |upload: &Upload, outgoing| {
        let chain = Signer::new(SEED).chain();
        let frames = caller(upload.wire.chunks(3));
        match verify_empty(
            frames,
            upload.declared.clone(),
            Enforced::NONE,
            chain,
            outgoing,
            STALL,
        )
        .await
        {
            Ok(body) => Ok(drain(body).await.0),
            Err(error) => Err(error),
        }
    };
    for mode in modes(b"") {
        let upload = Upload::new(mode, b"", 5);
        assert_eq!(run(&upload, Outgoing::Raw).await.unwrap(), b"", "{mode:?}");
        let framed = run(&upload, Outgoing::UnsignedTrailer(ChecksumAlgorithm::Crc32)).await;
        assert_eq!(
            framed.unwrap(),
            b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "{mode:?}"
        );
        let mut wrong = upload;
        wrong.declared.checksums = vec![Checksum {
            algorithm: ChecksumAlgorithm::Md5,
            value: vec![0; 16],
        }];
        assert!(run(&wrong, Outgoing::Raw).await.is_err());
        assert_eq!(
            wrong.refused("empty").await,
            PayloadError::ChecksumMismatch("content-md5")
        );
    }
    let more = Upload {
        wire: b"x".to_vec(),
        declared: DeclaredPayload::none(),
        seed: SEED,
    };
    assert!(run(&more, Outgoing::Raw).await.is_err());
    let not_empty = Upload::new(PayloadMode::Unsigned, b"hello", 5);
    assert!(run(&not_empty, Outgoing::Raw).await.is_err());
}

#[tokio::test]
async fn documents_are_read_whole_verified_and_bounded() {
    let payload = b"<Delete>this is a document</Delete>";
    for mode in modes(payload) {
        let upload = Upload::new(mode, payload, 9);
        let read = async |upload: &Upload, limit| {
            let chain = Signer::new(SEED).chain();
            let frames = caller(upload.wire.chunks(10));
            read_document(frames, &upload.declared, chain, limit, STALL, Arc::default()).await
        };
        assert_eq!(
            read(&upload, payload.len()).await.unwrap(),
            &payload[..],
            "{mode:?}"
        );
        // LIM-07
        let limit = payload.len() - 1;
        assert!(matches!(
            read(&upload, limit).await,
            Err(BodyError::Payload(PayloadError::TooLarge(l))) if l == limit
        ));
        let mut wrong = upload;
        wrong.declared.checksums = vec![Checksum {
            algorithm: ChecksumAlgorithm::Crc32,
            value: vec![0; 4],
        }];
        assert!(read(&wrong, 1000).await.is_err());
    }
}

/// Decodes what [`Outgoing::UnsignedTrailer`] sent, as a store would.
async fn stored(
    wire: Vec<u8>,
    length: usize,
    algorithm: ChecksumAlgorithm,
) -> (Vec<u8>, Result<(), BodyError>) {
    let upload = Upload {
        wire,
        declared: DeclaredPayload {
            trailer: Some(algorithm),
            ..declared(PayloadMode::UnsignedTrailer, length)
        },
        seed: SEED,
    };
    upload.run(1 << 20).await
}

#[tokio::test]
async fn a_reframed_upload_is_whole_only_if_it_verified() {
    let payload = vec![b'x'; 150_000];
    let outgoing = Outgoing::UnsignedTrailer(ChecksumAlgorithm::Crc32c);
    let mut upload = Upload::new(PayloadMode::SignedChunksTrailer, &payload, 6000);
    let (wire, end) = drain(upload.body(caller(upload.wire.chunks(1000)), outgoing.clone())).await;
    end.unwrap();
    assert_eq!(
        wire.len() as u64,
        encoded_length(150_000, ChecksumAlgorithm::Crc32c)
    );
    let (seen, end) = stored(wire, payload.len(), ChecksumAlgorithm::Crc32c).await;
    assert!(end.is_ok() && seen == payload);
    upload.declared.checksums = vec![Checksum {
        algorithm: ChecksumAlgorithm::Sha1,
        value: vec![0; 20],
    }];
    let (wire, end) = drain(upload.body(caller(upload.wire.chunks(1000)), outgoing)).await;
    assert!(end.is_err());
    assert!(
        stored(wire, payload.len(), ChecksumAlgorithm::Crc32c)
            .await
            .1
            .is_err()
    );
}

fn block_on<F: std::future::Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    // 256 cases each, or as many as `PROPTEST_CASES` says.

    // STR-06
    #[test]
    fn any_chunking_and_any_frames_give_the_same_bytes(
        payload in prop::collection::vec(any::<u8>(), 0..3000),
        chunk in 1usize..1000,
        frame in 1usize..700,
        mode in 0usize..5,
        algorithm in prop::sample::select(vec![
            ChecksumAlgorithm::Crc32,
            ChecksumAlgorithm::Crc64Nvme,
            ChecksumAlgorithm::Sha256,
        ]),
    ) {
        block_on(async {
            let upload = Upload::new(modes(&payload)[mode], &payload, chunk);
            let (seen, end) = upload.run(frame).await;
            prop_assert!(end.is_ok(), "{:?}", end);
            prop_assert_eq!(&seen, &payload);
            let outgoing = Outgoing::UnsignedTrailer(algorithm);
            let (wire, end) = drain(upload.body(caller(upload.wire.chunks(frame)), outgoing)).await;
            prop_assert!(end.is_ok());
            let (seen, end) = stored(wire, payload.len(), algorithm).await;
            prop_assert!(end.is_ok());
            prop_assert_eq!(&seen, &payload);
            // And where verifying is left to the target: the same bytes, with the caller's own trailer.
            let trailer = upload.declared.trailer.unwrap_or(algorithm);
            let outgoing = Outgoing::UnsignedTrailer(trailer);
            let left = upload.left(Enforced::by_s3(), caller(upload.wire.chunks(frame)), outgoing);
            let (wire, end) = drain(left).await;
            prop_assert!(end.is_ok());
            let (seen, end) = stored(wire, payload.len(), trailer).await;
            prop_assert!(end.is_ok());
            prop_assert_eq!(seen, payload);
            Ok(())
        })?;
    }

    // STR-07: a flipped, lost or added byte is refused or changes nothing of the payload.
    #[test]
    fn no_single_edit_gives_another_payload(
        mode in 2usize..5,
        at in any::<prop::sample::Index>(),
        byte: u8,
        edit in 0usize..3,
        frame in 1usize..50,
    ) {
        let payload = b"hello world, hello waves";
        let mut upload = Upload::new(modes(payload)[mode], payload, 9);
        let at = at.index(upload.wire.len());
        match edit {
            0 => upload.wire[at] = byte,
            1 => drop(upload.wire.remove(at)),
            _ => upload.wire.insert(at, byte),
        }
        block_on(async {
            match upload.run(frame).await {
                (seen, Ok(())) => prop_assert_eq!(&seen[..], &payload[..]),
                (seen, Err(_)) => prop_assert!(seen.len() < payload.len()),
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        wire in prop::collection::vec(prop::sample::select(b"0159aF;\r\n:x+ \xff".to_vec()), 0..200),
        mode in 2usize..5,
        length in 0u64..50,
        frame in 1usize..20,
    ) {
        let mut upload = Upload::new(modes(b"")[mode], b"", 9);
        upload.wire = wire;
        upload.declared.length = length;
        drop(block_on(upload.run(frame)));
    }
}
