"""What mkdocs.yml asks of mkdocs beyond its own: the nav's patterns, and links to files of the repository."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from website import datasets, keys, links, methods, metrics, nav, notebook


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file of docs/ holds, and fill the nav's patterns."""
    made = {uri: text for module in (methods, metrics, datasets, keys) for uri, text in module.pages().items()}
    made[notebook.URI] = notebook.page(notebook.read())
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for uri, text in links.source_pages(pages).items():
        files.append(File.generated(config, uri, content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    config.nav = nav.filled(config.nav or [], list(pages))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the repository to their pages."""
    return links.led(markdown, page.file.src_uri)
