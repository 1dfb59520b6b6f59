//! The XML document that a listing's page is.

use super::object_info::ObjectInfo;
use super::signing::percent;
use super::xml::{Piece, Reader};

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects.
    pub objects: Vec<ObjectInfo>,
    /// The prefixes that several keys have in common, up to the delimiter.
    pub prefixes: Vec<String>,
    /// What the next page is asked for with.
    pub(super) next: Option<String>,
}

impl Page {
    /// Reads a `<ListBucketResult>`. A page that is not whole is an error, and one that says that
    /// there are more and not how to get them: nothing is left out silently.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut reader = Reader::new(text);
        if !reader.enter("ListBucketResult") {
            return Err("it is not a listing");
        }
        let mut page = Self::default();
        let (mut encoded, mut truncated) = (false, false);
        loop {
            match reader.next().ok_or(CUT)? {
                Piece::Open("EncodingType") => encoded = text_of(&mut reader)? == "url",
                Piece::Open("IsTruncated") => truncated = text_of(&mut reader)?.trim() == "true",
                Piece::Open("NextContinuationToken") => page.next = Some(text_of(&mut reader)?),
                Piece::Open("Contents") => page.objects.push(object(&mut reader)?),
                Piece::Open("CommonPrefixes") => page.prefixes.push(prefix(&mut reader)?),
                Piece::Open(_) => drop(text_of(&mut reader)?),
                Piece::Close("ListBucketResult") => break,
                Piece::Close(_) | Piece::Text(_) => {}
            }
        }
        page.next = page.next.filter(|token| truncated && !token.is_empty());
        if truncated && page.next.is_none() {
            return Err("the listing goes on, and does not say where");
        }
        if encoded {
            let keys = page.objects.iter_mut().map(|object| &mut object.key);
            for name in keys.chain(&mut page.prefixes) {
                // A space is a plus, and a plus is encoded.
                let decoded = percent::decode(&name.replace('+', " "));
                *name = String::from_utf8(decoded).map_err(|_| "a key is not UTF-8")?;
            }
        }
        Ok(page)
    }
}

const CUT: &str = "the listing is cut off";

fn text_of(reader: &mut Reader<'_>) -> Result<String, &'static str> {
    match reader.text() {
        (text, true) => Ok(text),
        (_, false) => Err(CUT),
    }
}

fn object(reader: &mut Reader<'_>) -> Result<ObjectInfo, &'static str> {
    let mut object = ObjectInfo::default();
    loop {
        match reader.next().ok_or(CUT)? {
            Piece::Open("Key") => object.key = text_of(reader)?,
            Piece::Open("Size") => object.length = text_of(reader)?.trim().parse().ok(),
            Piece::Open("ETag") => object.etag = Some(text_of(reader)?),
            Piece::Open(_) => drop(text_of(reader)?),
            Piece::Close("Contents") => break,
            Piece::Close(_) | Piece::Text(_) => {}
        }
    }
    if object.key.is_empty() { Err("an object has no key") } else { Ok(object) }
}

fn prefix(reader: &mut Reader<'_>) -> Result<String, &'static str> {
    let mut prefix = String::new();
    loop {
        match reader.next().ok_or(CUT)? {
            Piece::Open("Prefix") => prefix = text_of(reader)?,
            Piece::Open(_) => drop(text_of(reader)?),
            Piece::Close("CommonPrefixes") => return Ok(prefix),
            Piece::Close(_) | Piece::Text(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, length: u64, etag: &str) -> ObjectInfo {
        ObjectInfo { key: key.into(), length: Some(length), etag: Some(etag.into()) }
    }

    #[test]
    fn as_aws_sends_it() {
        let page = Page::parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix>a+b%2F</Prefix><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter>%2F</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>a+b/%C3%BC%2B%01</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>a+b/photos/</Prefix></CommonPrefixes></ListBucketResult>"#,
        )
        .unwrap();
        assert_eq!(
            page.objects,
            [object("a b/ü+\u{1}", 434_234, "\"fba9dede5f27731c9771645a39863328\"")]
        );
        assert_eq!(page.prefixes, ["a b/photos/"]);
        let token = "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=";
        assert_eq!(page.next.as_deref(), Some(token));
    }

    #[test]
    fn as_minio_sends_it() {
        let page = Page::parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><Delimiter></Delimiter><IsTruncated>false</IsTruncated><Contents><Key>a%20b+c &lt;&amp;&gt;</Key><LastModified>2024-01-02T03:04:05.678Z</LastModified><ETag>&#34;00000000000000000000000000000000-1&#34;</ETag><Size>0</Size><Owner><ID></ID><DisplayName></DisplayName></Owner><StorageClass>STANDARD</StorageClass><UserMetadata><Items><Key>x</Key></Items></UserMetadata></Contents></ListBucketResult>"#,
        )
        .unwrap();
        // Without the encoding a percent is one.
        let etag = "\"00000000000000000000000000000000-1\"";
        assert_eq!(page.objects, [object("a%20b+c <&>", 0, etag)]);
        assert_eq!((page.prefixes, page.next), (vec![], None));
    }

    #[test]
    fn as_ceph_sends_it() {
        let page = Page::parse(
            r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix/><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key><![CDATA[a&b]]></Key><LastModified>2024-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass><Owner><ID>u</ID></Owner><Type>Normal</Type></Contents><NextContinuationToken>a&amp;b</NextContinuationToken><KeyCount>1</KeyCount></ListBucketResult>"#,
        )
        .unwrap();
        assert_eq!(page.objects, [object("a&b", 7, "\"e\"")]);
        assert_eq!(page.next.as_deref(), Some("a&b"));
    }

    #[test]
    fn an_empty_bucket() {
        let page = Page::parse(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Name/></ListBucketResult>",
        );
        assert_eq!(page, Ok(Page::default()));
    }

    #[test]
    fn nothing_is_left_out_silently() {
        let whole = "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
        assert!(Page::parse(whole).is_ok());
        for end in 0..whole.len() {
            assert!(Page::parse(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for listing in [
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken/></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>a</NextMarker></ListBucketResult>",
            "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%ff</Key></Contents></ListBucketResult>",
            "<html></html>",
        ] {
            assert!(Page::parse(listing).is_err(), "{listing}");
        }
    }
}
