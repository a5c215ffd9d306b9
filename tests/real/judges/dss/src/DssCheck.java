import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.File;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * EU DSS, unmodified and with its default policy, judges files offline.
 *
 * Arguments: a folder with trusted certificates (*.der) and revocation lists (*.crl), an instant or `now`, files.
 * Prints a line for each signature, timestamp and evidence record: `FILE: kind: indication`, and what was found wrong.
 */
public final class DssCheck {
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    Date at = arguments[1].equals("now") ? new Date() : Date.from(Instant.parse(arguments[1]));
    for (int number = 2; number < arguments.length; number++) {
      for (String line : judge(folder, at, new File(arguments[number]))) {
        System.out.println(arguments[number] + ": " + line);
      }
    }
  }

  private static List<String> judge(Path folder, Date at, File file) throws Exception {
    SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
    validator.setCertificateVerifier(verifier(folder));
    validator.setValidationTime(at);
    validator.setLocale(Locale.ENGLISH);
    Reports reports = validator.validateDocument();
    SimpleReport report = reports.getSimpleReport();
    DiagnosticData found = reports.getDiagnosticData();
    List<String> lines = new ArrayList<>();
    for (String id : report.getSignatureIdList()) {
      lines.add(line(found.getSignatureById(id).getSignatureFormat().toString(), report, id));
    }
    for (var timestamp : found.getTimestampList()) {
      lines.add(line(timestamp.getType().name(), report, timestamp.getId()));
    }
    for (var record : found.getEvidenceRecords()) {
      lines.add(line("EVIDENCE_RECORD", report, record.getId()));
    }
    return lines;
  }

  private static String line(String kind, SimpleReport report, String id) {
    String errors =
        report.getAdESValidationErrors(id).stream().map(message -> message.getValue()).collect(Collectors.joining("; "));
    String reason = report.getSubIndication(id) == null ? "" : " " + report.getSubIndication(id);
    return kind + ": " + report.getIndication(id) + reason + (errors.isEmpty() ? "" : " (" + errors + ")");
  }

  private static CommonCertificateVerifier verifier(Path folder) throws Exception {
    CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
    List<InputStream> lists = new ArrayList<>();
    try (Stream<Path> paths = Files.list(folder)) {
      for (Path path : paths.sorted().toList()) {
        if (path.toString().endsWith(".crl")) {
          lists.add(Files.newInputStream(path));
        } else if (path.toString().endsWith(".der")) {
          trusted.addCertificate(DSSUtils.loadCertificate(path.toFile()));
        }
      }
    }
    CommonCertificateVerifier verifier = new CommonCertificateVerifier();
    verifier.setTrustedCertSources(trusted);
    verifier.setAIASource(null);
    if (!lists.isEmpty()) {
      verifier.setCrlSource(new ExternalResourcesCRLSource(lists.toArray(InputStream[]::new)));
    }
    return verifier;
  }
}
