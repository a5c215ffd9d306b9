import java.nio.file.Paths;
import org.ofdrw.core.signatures.SigType;
import org.ofdrw.reader.OFDReader;
import org.ofdrw.sign.verify.OFDValidator;
import org.ofdrw.sign.verify.SignedDataValidateContainer;
import org.ofdrw.sign.verify.container.GBT35275ValidateContainer;
import org.ofdrw.sign.verify.container.SESV4ValidateContainer;

/** Has ofdrw validate OFD files. Prints a line for each: its path and "accepted", or the reason against it. */
public class OfdrwCheck {
    public static void main(String[] files) {
        SignedDataValidateContainer seals = new SESV4ValidateContainer();
        SignedDataValidateContainer signatures = new GBT35275ValidateContainer();
        for (String file : files) {
            try (OFDReader reader = new OFDReader(Paths.get(file)); OFDValidator validator = new OFDValidator(reader)) {
                validator.setValidator((type, method, data, value) ->
                    (type == SigType.Sign ? signatures : seals).validate(type, method, data, value));
                validator.exeValidate();
                System.out.println(file + ": accepted");
            } catch (Exception refused) {
                System.out.println(file + ": " + refused);
            }
        }
    }
}
