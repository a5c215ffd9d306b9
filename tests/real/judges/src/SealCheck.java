import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import javax.xml.parsers.DocumentBuilderFactory;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.ASN1TaggedObject;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.x509.Certificate;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.crypto.params.ParametersWithID;
import org.bouncycastle.crypto.signers.SM2Signer;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Checks the signatures of OFD files with the SM2 and SM3 of Bouncy Castle: references, hash, value, the seal's maker
 * and list. Prints a line for each file: its path and "accepted", or the reason against it.
 */
public class SealCheck {
    static final byte[] ID = "1234567812345678".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] files) {
        for (String file : files) {
            try (ZipFile zip = new ZipFile(file)) {
                check(zip);
                System.out.println(file + ": accepted");
            } catch (Exception refused) {
                System.out.println(file + ": " + refused.getMessage());
            }
        }
    }

    static void check(ZipFile zip) throws Exception {
        Document listed = xml(read(zip, "Doc_0/Signs/Signatures.xml"));
        NodeList signatures = listed.getElementsByTagNameNS("*", "Signature");
        demand(signatures.getLength() > 0, "no signature");
        Set<String> own = new HashSet<>();
        own.add("Doc_0/Signs/Signatures.xml");
        for (int i = 0; i < signatures.getLength(); i++) {
            String member = member(((Element) signatures.item(i)).getAttribute("BaseLoc"));
            own.add(member);
            own.add(member(text(xml(read(zip, member)), "SignedValue")));
            own.add(member.replace("Signature.xml", "Seal.esl"));
        }
        for (int i = 0; i < signatures.getLength(); i++) {
            Element entry = (Element) signatures.item(i);
            byte[] description = read(zip, member(entry.getAttribute("BaseLoc")));
            covered(zip, xml(description), own);
            byte[] value = read(zip, member(text(xml(description), "SignedValue")));
            if (entry.getAttribute("Type").equals("Seal")) {
                seal(value, sm3(description));
            } else {
                plain(value, sm3(description));
            }
        }
    }

    static void covered(ZipFile zip, Document description, Set<String> own) throws Exception {
        Set<String> left = new HashSet<>();
        zip.stream().filter(entry -> !entry.isDirectory()).forEach(entry -> left.add(entry.getName()));
        left.removeAll(own);
        NodeList references = description.getElementsByTagNameNS("*", "Reference");
        for (int i = 0; i < references.getLength(); i++) {
            Element reference = (Element) references.item(i);
            String name = member(reference.getAttribute("FileRef"));
            byte[] value = Base64.getDecoder().decode(reference.getTextContent().trim());
            demand(Arrays.equals(sm3(read(zip, name)), value), "altered: " + name);
            left.remove(name);
        }
        demand(left.isEmpty(), "not covered: " + left);
    }

    static void seal(byte[] encoded, byte[] hash) throws Exception {
        ASN1Sequence value = ASN1Sequence.getInstance(encoded);
        ASN1Sequence signed = ASN1Sequence.getInstance(value.getObjectAt(0));
        byte[] certificate = octets(value.getObjectAt(1));
        demand(Arrays.equals(bits(signed.getObjectAt(3)), hash), "the description was altered");
        verify(certificate, bytes(signed), bits(value.getObjectAt(3)), "the seal's value");
        ASN1Sequence seal = ASN1Sequence.getInstance(signed.getObjectAt(1));
        verify(octets(seal.getObjectAt(1)), bytes(seal.getObjectAt(0)), bits(seal.getObjectAt(3)), "the maker");
        ASN1Sequence info = ASN1Sequence.getInstance(seal.getObjectAt(0));
        ASN1Sequence about = ASN1Sequence.getInstance(info.getObjectAt(2));
        boolean found = false;
        for (ASN1Encodable one : ASN1Sequence.getInstance(about.getObjectAt(3))) {
            found |= Arrays.equals(octets(one), certificate);
        }
        demand(found, "the certificate is not in the seal");
    }

    static void plain(byte[] encoded, byte[] hash) throws Exception {
        ASN1Sequence outer = ASN1Sequence.getInstance(encoded);
        ASN1Sequence signed = ASN1Sequence.getInstance(ASN1TaggedObject.getInstance(outer.getObjectAt(1)).getObject());
        ASN1Sequence content = ASN1Sequence.getInstance(signed.getObjectAt(2));
        byte[] inside = octets(ASN1TaggedObject.getInstance(content.getObjectAt(1)).getObject());
        demand(Arrays.equals(inside, hash), "the description was altered");
        ASN1TaggedObject certificates = ASN1TaggedObject.getInstance(signed.getObjectAt(3));
        byte[] certificate = bytes(ASN1Set.getInstance(certificates, false).getObjectAt(0));
        ASN1Sequence signer = ASN1Sequence.getInstance(ASN1Set.getInstance(signed.getObjectAt(4)).getObjectAt(0));
        verify(certificate, inside, octets(signer.getObjectAt(4)), "the value");
    }

    static void verify(byte[] certificate, byte[] message, byte[] signature, String what) throws Exception {
        SM2Signer signer = new SM2Signer();
        Certificate read = Certificate.getInstance(certificate);
        signer.init(false, new ParametersWithID(PublicKeyFactory.createKey(read.getSubjectPublicKeyInfo()), ID));
        signer.update(message, 0, message.length);
        demand(signer.verifySignature(signature), "wrong signature: " + what);
    }

    static byte[] sm3(byte[] data) {
        SM3Digest digest = new SM3Digest();
        digest.update(data, 0, data.length);
        byte[] value = new byte[32];
        digest.doFinal(value, 0);
        return value;
    }

    static byte[] octets(ASN1Encodable value) {
        return ASN1OctetString.getInstance(value).getOctets();
    }

    static byte[] bits(ASN1Encodable value) {
        return DERBitString.getInstance(value).getOctets();
    }

    static byte[] bytes(ASN1Encodable value) throws Exception {
        return value.toASN1Primitive().getEncoded("DER");
    }

    static String member(String location) {
        return location.startsWith("/") ? location.substring(1) : location;
    }

    static byte[] read(ZipFile zip, String name) throws Exception {
        ZipEntry entry = zip.getEntry(name);
        demand(entry != null, "missing: " + name);
        return zip.getInputStream(entry).readAllBytes();
    }

    static Document xml(byte[] data) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(new ByteArrayInputStream(data));
    }

    static String text(Document document, String name) {
        return document.getElementsByTagNameNS("*", name).item(0).getTextContent().trim();
    }

    static void demand(boolean held, String reason) throws Exception {
        if (!held) {
            throw new Exception(reason);
        }
    }
}
