import java.io.File;
import java.nio.file.Paths;
import javax.imageio.ImageIO;
import org.ofdrw.converter.ImageMaker;
import org.ofdrw.reader.ContentExtractor;
import org.ofdrw.reader.OFDReader;

/**
 * Has ofdrw draw the pages of OFD files as FILE.N.png, and print their text, each line after the name of its file.
 * Arguments: pixels per mm, files.
 */
public class OfdrwPages {
    public static void main(String[] arguments) throws Exception {
        for (int i = 1; i < arguments.length; i++) {
            String file = arguments[i];
            try (OFDReader reader = new OFDReader(Paths.get(file))) {
                ImageMaker maker = new ImageMaker(reader, Double.parseDouble(arguments[0]));
                for (int page = 0; page < maker.pageSize(); page++) {
                    ImageIO.write(maker.makePage(page), "PNG", new File(file + "." + page + ".png"));
                }
                String name = new File(file).getName();
                new ContentExtractor(reader).traverse((page, lines) ->
                    lines.forEach(line -> System.out.println(name + ": " + line)));
            }
        }
    }
}
