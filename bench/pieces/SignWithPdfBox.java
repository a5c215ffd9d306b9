import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.List;
import org.apache.pdfbox.cos.COSName;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.SignatureInterface;
import org.apache.pdfbox.pdmodel.interactive.form.PDSignatureField;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Signs one field of one PDF as often as it is told, as PDFBox's own example CreateSignature does it, with key and
 * certificates loaded once.
 *
 * Arguments: the PDF, the field, the key (PKCS #8, DER), the certificates (DER, the signer's first). For each line of its
 * input it signs TIMES times and answers with the CPU seconds that the whole JVM used for one of them; where the line
 * names a file, it writes the last signed PDF there.
 */
public final class SignWithPdfBox implements SignatureInterface {
    // The JVM's clock of CPU time has steps of ten milliseconds.
    private static final int TIMES = 20;

    private final PrivateKey key;
    private final List<X509Certificate> chain = new ArrayList<>();

    private SignWithPdfBox(String[] arguments) throws Exception {
        byte[] encoded = Files.readAllBytes(Path.of(arguments[2]));
        key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(encoded));
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (int each = 3; each < arguments.length; each++) {
            byte[] certificate = Files.readAllBytes(Path.of(arguments[each]));
            chain.add((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(certificate)));
        }
    }

    public static void main(String[] arguments) throws Exception {
        SignWithPdfBox signer = new SignWithPdfBox(arguments);
        byte[] pdf = Files.readAllBytes(Path.of(arguments[0]));
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            long before = system.getProcessCpuTime();
            byte[] signed = pdf;
            for (int each = 0; each < TIMES; each++) {
                signed = signer.signed(pdf, arguments[1]);
            }
            long used = system.getProcessCpuTime() - before;
            if (!line.isEmpty()) {
                Files.write(Path.of(line), signed);
            }
            System.out.println(used / 1e9 / TIMES);
            System.out.flush();
        }
    }

    private byte[] signed(byte[] pdf, String name) throws IOException {
        try (PDDocument document = PDDocument.load(pdf)) {
            PDSignatureField field = (PDSignatureField) document.getDocumentCatalog().getAcroForm(null).getField(name);
            PDSignature signature = new PDSignature();
            field.getCOSObject().setItem(COSName.V, signature);
            signature.setFilter(PDSignature.FILTER_ADOBE_PPKLITE);
            signature.setSubFilter(PDSignature.SUBFILTER_ETSI_CADES_DETACHED);
            signature.setSignDate(Calendar.getInstance());
            document.addSignature(signature, this);
            ByteArrayOutputStream output = new ByteArrayOutputStream(pdf.length + 65536);
            document.saveIncremental(output);
            return output.toByteArray();
        }
    }

    @Override
    public byte[] sign(InputStream content) throws IOException {
        try {
            ContentSigner signer = new JcaContentSignerBuilder("SHA256withECDSA").build(key);
            CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
            generator.addSignerInfoGenerator(
                    new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().build())
                            .build(signer, chain.get(0)));
            generator.addCertificates(new JcaCertStore(chain));
            return generator.generate(new CMSProcessableByteArray(content.readAllBytes()), false).getEncoded();
        } catch (Exception error) {
            throw new IOException(error);
        }
    }
}
