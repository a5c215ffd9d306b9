import java.io.File;
import java.nio.file.Paths;
import javax.imageio.ImageIO;
import org.ofdrw.converter.ImageMaker;
import org.ofdrw.reader.ContentExtractor;
import org.ofdrw.reader.OFDReader;

/** Has ofdrw draw the pages of an OFD as FOLDER/N.png, and print their text. Arguments: file, folder, pixels per mm. */
public class OfdrwPages {
    public static void main(String[] arguments) throws Exception {
        try (OFDReader reader = new OFDReader(Paths.get(arguments[0]))) {
            ImageMaker maker = new ImageMaker(reader, Double.parseDouble(arguments[2]));
            for (int page = 0; page < maker.pageSize(); page++) {
                ImageIO.write(maker.makePage(page), "PNG", new File(arguments[1], page + ".png"));
            }
            new ContentExtractor(reader).traverse((page, lines) -> lines.forEach(System.out::println));
        }
    }
}
