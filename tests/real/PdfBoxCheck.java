// Judges every signature of a PDF with PDFBox and Bouncy Castle: is the byte range whole, and does the CMS, or the
// timestamp, speak for exactly these bytes? Prints "FIELD: accepted" or "FIELD: why not" for each, in the order of the
// file, and "whole" when the last one covers all of it. Of several files each line begins with the file and a tab. Whom to
// trust is not its question.

import java.io.File;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.form.PDSignatureField;
import org.bouncycastle.asn1.ASN1InputStream;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampToken;

public class PdfBoxCheck {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String name : arguments) {
            judge(name, arguments.length > 1 ? name + "\t" : "");
        }
    }

    private static void judge(String name, String before) throws Exception {
        byte[] file = Files.readAllBytes(new File(name).toPath());
        List<PDSignatureField> signed = new ArrayList<>();
        try (PDDocument document = PDDocument.load(file)) {
            for (PDSignatureField field : document.getSignatureFields()) {
                if (field.getSignature() != null) signed.add(field);
            }
            signed.sort(Comparator.comparingInt(field -> end(field.getSignature())));
            for (PDSignatureField field : signed) {
                System.out.println(before + field.getFullyQualifiedName() + ": " + verdict(field.getSignature(), file));
            }
            if (!signed.isEmpty() && end(signed.get(signed.size() - 1).getSignature()) == file.length) {
                System.out.println(before + "whole");
            }
        }
    }

    private static int end(PDSignature signature) {
        int[] range = signature.getByteRange();
        return range[2] + range[3];
    }

    private static String verdict(PDSignature signature, byte[] file) {
        try {
            int[] range = signature.getByteRange();
            if (range.length != 4 || range[0] != 0 || range[1] >= range[2] || end(signature) > file.length) {
                return "the byte range has not the form of one signature's";
            }
            if (file[range[1]] != '<' || file[range[2] - 1] != '>') return "the gap holds more than the signature";
            byte[] content = signature.getSignedContent(file);
            try (ASN1InputStream stream = new ASN1InputStream(signature.getContents(file))) {
                ContentInfo info = ContentInfo.getInstance(stream.readObject());  // without the padding behind it
                boolean timestamp = "ETSI.RFC3161".equals(signature.getSubFilter());
                return timestamp ? ofTimestamp(info, content) : ofSignature(info, content);
            }
        } catch (Exception error) {
            return error.toString();
        }
    }

    private static String ofSignature(ContentInfo info, byte[] content) throws Exception {
        CMSSignedData cms = new CMSSignedData(new CMSProcessableByteArray(content), info);
        Collection<SignerInformation> signers = cms.getSignerInfos().getSigners();
        if (signers.size() != 1) return signers.size() + " signers";
        SignerInformation signer = signers.iterator().next();
        if (!signer.verify(verifier(cms, signer))) return "the signature value is wrong";
        var stamped = signer.getUnsignedAttributes().get(
            org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers.id_aa_signatureTimeStampToken);
        if (stamped == null) return "no timestamp";
        ContentInfo token = ContentInfo.getInstance(stamped.getAttrValues().getObjectAt(0));
        return ofTimestamp(token, signer.getSignature());
    }

    private static String ofTimestamp(ContentInfo info, byte[] content) throws Exception {
        CMSSignedData cms = new CMSSignedData(info);
        TimeStampToken token = new TimeStampToken(cms);
        SignerInformation signer = cms.getSignerInfos().getSigners().iterator().next();
        token.validate(verifier(cms, signer));
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(content);
        boolean same = Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest());
        return same ? "accepted" : "the timestamp is of something else";
    }

    private static org.bouncycastle.cms.SignerInformationVerifier verifier(CMSSignedData cms, SignerInformation signer)
            throws Exception {
        @SuppressWarnings("unchecked")
        Collection<X509CertificateHolder> own = cms.getCertificates().getMatches(signer.getSID());
        return new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(own.iterator().next());
    }
}
