import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.ofdrw.gm.ses.v4.SESeal;
import org.ofdrw.reader.OFDReader;
import org.ofdrw.sign.NumberFormatAtomicSignID;
import org.ofdrw.sign.OFDSigner;
import org.ofdrw.sign.SignMode;
import org.ofdrw.sign.ExtendSignatureContainer;
import org.ofdrw.sign.signContainer.DigitalSignContainer;
import org.ofdrw.sign.signContainer.GBT35275DSContainer;
import org.ofdrw.sign.signContainer.GBT35275PKCS9DSContainer;
import org.ofdrw.sign.signContainer.SESV4Container;
import org.ofdrw.sign.stamppos.NormalStampPos;

/**
 * Has ofdrw sign an OFD in every way that it knows: FOLDER/NAME.ofd. Arguments: file, folder, private key (PKCS#8),
 * certificate, seal (SESeal of version 4), all in DER.
 */
public class OfdrwMake {
    public static void main(String[] arguments) throws Exception {
        Path file = Paths.get(arguments[0]);
        Path folder = Paths.get(arguments[1]);
        BouncyCastleProvider provider = new BouncyCastleProvider();
        PrivateKey key = KeyFactory.getInstance("EC", provider)
            .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Paths.get(arguments[2]))));
        Certificate certificate = CertificateFactory.getInstance("X.509", provider)
            .generateCertificate(Files.newInputStream(Paths.get(arguments[3])));
        SESeal seal = SESeal.getInstance(Files.readAllBytes(Paths.get(arguments[4])));
        sign(file, folder.resolve("plain.ofd"), new GBT35275DSContainer(certificate, key), SignMode.ContinueSign);
        sign(file, folder.resolve("attributes.ofd"), new GBT35275PKCS9DSContainer(certificate, key), SignMode.ContinueSign);
        sign(file, folder.resolve("sealed.ofd"), new SESV4Container(key, seal, certificate), SignMode.ContinueSign);
        sign(file, folder.resolve("whole.ofd"), new SESV4Container(key, seal, certificate), SignMode.WholeProtected);
    }

    private static void sign(Path from, Path to, ExtendSignatureContainer container, SignMode mode) throws Exception {
        try (OFDReader reader = new OFDReader(from); OFDSigner signer = new OFDSigner(reader, to, new NumberFormatAtomicSignID())) {
            signer.setSignMode(mode);
            signer.setSignContainer(container);
            if (container instanceof SESV4Container) {
                signer.addApPos(new NormalStampPos(1, 50, 50, 40, 40));
            }
            signer.exeSign();
        }
    }
}
